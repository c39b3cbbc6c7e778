"""A headless Chromium: the machine's own, for a downloaded one would not be the same twice.

Not part of the ordinary run. `bash .ci/run` runs these tests, and so does

    python -m pip install -e '.[test,browser]' && python -m pytest tests/e2e/browser

Fixtures to use:
    opened: opens a file and returns what the browser has of it.
    made: runs an experiment and returns its page.
    serious: names what bars somebody from reading a page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from support.e2e import Mitosis

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Opened:
    """A file in the browser."""

    page: Any
    """Playwright's."""
    requests: list[str] = field(default_factory=list)
    """What was asked for besides the file itself and what stands inside it."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings on the console, and exceptions of scripts."""

    @property
    def overflow_px(self) -> int:
        """How much wider than the window it is."""
        root = "document.documentElement"
        width: int = self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth")
        return width


Opener = Callable[..., Opened]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    named = os.environ.get("MITOSIS_TEST_BROWSER")
    path = named or next((found for name in _NAMES if (found := shutil.which(name))), None)
    assert path, f"no browser was found: install Debian's chromium, or name one in MITOSIS_TEST_BROWSER ({_NAMES})"
    with sync_playwright() as playwright:
        # Its sandbox wants privileges that containers do not give; the pages are the tests' own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Opener]:
    """Open a file: `opened(path, width=390, dark=True)`."""
    contexts = []

    def open_file(path: Path, *, width: int = 1200, dark: bool = False) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", offline=True
        )
        contexts.append(context)
        found = Opened(context.new_page())
        address = path.absolute().as_uri()

        def note_request(request: Any) -> None:
            if request.url != address and not request.url.startswith(("data:", "blob:")):
                found.requests.append(request.url)

        def note_message(message: Any) -> None:
            if message.type in ("error", "warning"):
                found.complaints.append(message.text)

        found.page.on("request", note_request)
        found.page.on("console", note_message)
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.goto(address, wait_until="load")
        return found

    yield open_file
    for context in contexts:
        context.close()


@pytest.fixture
def made(project: Path, mitosis: Mitosis) -> Callable[..., Path]:
    """Run an experiment: `made("my_exp", "-e", "my_exp.amplitude=4", status=0)`."""

    def make(*words: str, status: int = 0) -> Path:
        known = set(project.glob("trials/*.html"))
        mitosis(*words, status=status)
        (page,) = set(project.glob("trials/*.html")) - known
        return page

    return make


@pytest.fixture
def serious() -> Callable[[Any], list[str]]:
    """What axe-core finds that bars somebody from reading a page: `serious(opened.page)`."""

    def find(page: Any) -> list[str]:
        found = Axe().run(page).response["violations"]
        return [
            f"{rule['id']}: {rule['nodes'][0]['html']}" for rule in found if rule["impact"] in ("serious", "critical")
        ]

    return find
