"""What a user agent is, in words: the one file that knows ua-parser."""

from __future__ import annotations

from functools import lru_cache

import ua_parser

from orgtrail_consumers.steps.enrich import Client

_SAYS_ENOUGH = 512
"""Characters: what comes after says nothing more, and anybody may send megabytes to be kept."""


def client(user_agent: str) -> Client:
    """Browser, operating system and device, with the major version where there is one."""
    return _client(user_agent[:_SAYS_ENOUGH])


@lru_cache(maxsize=50_000)
def _client(user_agent: str) -> Client:
    if not user_agent:
        return Client("", "", "")
    found = ua_parser.parse(user_agent)
    browser, system, device = found.user_agent, found.os, found.device
    return Client(
        _name(browser.family, browser.major) if browser else "",
        _name(system.family, system.major) if system else "",
        device.family if device else "",
    )


def _name(family: str, version: str | None) -> str:
    return f"{family} {version}" if version else family
