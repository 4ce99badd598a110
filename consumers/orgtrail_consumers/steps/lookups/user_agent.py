"""Parses user agents. The only module that imports ua-parser."""

from __future__ import annotations

from functools import lru_cache

import ua_parser

from orgtrail_consumers.steps.enrich import Client

_MAX_LENGTH = 512
"""Characters to parse and cache. The rest adds nothing, and anyone may send megabytes."""


def client(user_agent: str) -> Client:
    """Browser, operating system and device, with the major version where there is one."""
    return _client(user_agent[:_MAX_LENGTH])


@lru_cache(maxsize=50_000)
def _client(user_agent: str) -> Client:
    if not user_agent:
        return Client("", "", "")
    parsed = ua_parser.parse(user_agent)
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    return Client(
        _name(browser.family, browser.major) if browser else "",
        _name(system.family, system.major) if system else "",
        device.family if device else "",
    )


def _name(family: str, version: str | None) -> str:
    return f"{family} {version}" if version else family
