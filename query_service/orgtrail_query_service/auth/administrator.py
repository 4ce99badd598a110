"""Who is signed in, and which organizations they may read."""

from __future__ import annotations

from typing import Literal

import msgspec

from orgtrail_query_service.problems import not_found


class Administrator(msgspec.Struct, frozen=True):
    """A signed-in person or script, and the organizations that they administer or audit."""

    subject: str
    organizations: tuple[str, ...]
    email: str = ""
    name: str = ""
    type: Literal["user", "service_account"] = "user"

    def require(self, org: str) -> None:
        """Return if they may read the organization.

        Raises:
            Problem: they do not; the answer is the same as for an unknown organization.
        """
        if org not in self.organizations:
            raise not_found()
