"""The scope of a request in the RQ jobs that it enqueues: jobs of the class ``AuditJob``.

Both sides name it: ``Queue(connection=redis, job_class=AuditJob)``, and
``rq worker --job-class orgtrail.rq.AuditJob``. The scope travels in the metadata of the job.
"""

from __future__ import annotations

from typing import Any

from rq.job import Job

from orgtrail.request import carrier
from orgtrail.scope import current, enter, leave


class AuditJob(Job):
    """A job that runs within the scope it was enqueued in, also when it is tried again."""

    @classmethod
    def create(cls, *args: Any, **more: Any) -> Job:
        """As ``Job.create``; the current scope is added to ``meta``."""
        scope = current()
        if scope is not None:
            more["meta"] = {**(more.get("meta") or {}), carrier.KEY: carrier.dump(scope)}
        return super().create(*args, **more)

    def perform(self) -> Any:
        """As ``Job.perform``, within the scope; within none when the job came without one."""
        token = enter(carrier.load(self.meta.get(carrier.KEY)))
        try:
            return super().perform()
        finally:
            leave(token)
