"""Passes the request's scope to RQ jobs of the class ``AuditJob``.

Set the class on both sides: ``Queue(connection=redis, job_class=AuditJob)`` and
``rq worker --job-class orgtrail.rq.AuditJob``. The scope is stored in the job's metadata.
"""

from __future__ import annotations

from typing import Any

from rq.job import Job

from orgtrail.request import carrier
from orgtrail.scope import current, enter, leave


class AuditJob(Job):
    """A job that runs in the scope that was current when it was enqueued, including retries."""

    @classmethod
    def create(cls, *args: Any, **more: Any) -> Job:
        """Call ``Job.create`` and add the current scope to ``meta``."""
        scope = current()
        if scope is not None:
            more["meta"] = {**(more.get("meta") or {}), carrier.KEY: carrier.dump(scope)}
        return super().create(*args, **more)

    def perform(self) -> Any:
        """Call ``Job.perform`` in the job's scope, or in no scope if the job has none."""
        token = enter(carrier.load(self.meta.get(carrier.KEY)))
        try:
            return super().perform()
        finally:
            leave(token)
