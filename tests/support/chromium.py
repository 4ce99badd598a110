"""A real Chromium: an installed one, else Playwright's own, else Debian's package."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import Browser, Error, Playwright
from tests.support.debian import install_package

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def launch(playwright: Playwright) -> Browser:
    """Start one; without any the test fails in CI and is skipped, with the reason, elsewhere."""
    path = installed()
    if path is None:
        try:
            return playwright.chromium.launch(args=ARGUMENTS)
        except Error:
            path = install()
    if path is None:
        reason = "no Chromium: install one, or run playwright install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


def installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> str | None:
    """Debian's package, where this process may install it."""
    install_package("chromium")
    return installed()
