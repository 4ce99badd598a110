"""The settings of ``orgtrail query`` and ``orgtrail export``."""

from __future__ import annotations

from typing import Annotated

from orgtrail_schemas.settings import Secret, Settings, about


class ClientSettings(Settings, frozen=True, kw_only=True):
    """Each is read from ``ORGTRAIL_`` and its name in capitals."""

    url: Annotated[str, about("The query service's address.")] = "http://127.0.0.1:8080"
    token: Annotated[Secret, about("A token of an administrator of the organization.")] = Secret("")
