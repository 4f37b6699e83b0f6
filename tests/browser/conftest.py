"""A real browser before a real server. A missing one is reported by ``tests/conftest.py``."""

import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headstart.lab.backstage import wait_until
from headstart.lab.sights import Sight
from headstart.lab.stage import OVERALL_LIMIT_MINUTES, Stage, put_up
from headstart.lab.visitors import Person
from tests.browser import judge
from tests.browser.cast import Cast
from tests.conftest import ACCESSIBILITY_WAS_NOT_JUDGED, BROWSER_TESTS_DID_NOT_RUN
from tests.eavesdropping import require_discreet_logs
from tests.realtime.clients import environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HERE = Path(__file__).parent
PATIENCE_MS = 5_000  # for what ought to happen at once; an expectation waits no longer than needed
LAUNCH = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"
NOT_OURS = re.compile(r"Failed to load resource|net::ERR_")  # the browser's note of a refusal

# Without its package the stories cannot even be read; where a browser is required, that fails.
collect_ignore_glob = [] if find_spec("playwright") or REQUIRED else ["test_*.py"]


def chromium() -> str | None:
    """The browser's executable, if there is one."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here; skip it where there is no browser, unless one is required."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if chromium() is None and not REQUIRED:
                item.add_marker(pytest.mark.skip(reason=BROWSER_TESTS_DID_NOT_RUN))


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A server process, a payment sandbox and a database, for all stories."""
    with put_up() as stage:
        yield stage
        require_discreet_logs(stage)


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One browser; every person gets a window of their own that shares nothing.

    Gone at the end of the module: while it is there, its own event loop runs in this thread, and
    no other test could run one.
    """
    executable = chromium()
    assert executable, "a browser is required, and there is none"
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The judge's own script, unchanged."""
    try:
        return judge.script()
    except environment.Missing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"{ACCESSIBILITY_WAS_NOT_JUDGED}: {missing}")


class Windows:
    """The windows of one story, and everything that went wrong in them."""

    def __init__(self, browser: "Browser", stage: Stage) -> None:
        self._browser = browser
        self._stage = stage
        self._contexts: list[BrowserContext] = []
        self._shared: Page | None = None
        self.errors: list[str] = []

    def open(self, person: Person | None, path: str, **options: Any) -> "Page":
        """A page in a new window, with this person signed in."""
        page = self._window(**options)
        self._sign_in(page, person)
        page.goto(path)
        return page

    def show(self, sight: Sight, **options: Any) -> "Page":
        """A sight, in a window that all sights of the story share."""
        page = self._shared = self._shared or self._window(**options)
        page.context.clear_cookies()
        self._sign_in(page, sight.who)
        page.goto(sight.path)
        if sight.press:
            sight.press(page)
        return page

    def _window(self, **options: Any) -> "Page":
        context = self._browser.new_context(base_url=self._stage.server.url, **options)
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self._heed(said.type, said.text))
        return page

    def _sign_in(self, page: "Page", person: Person | None) -> None:
        if person is None:
            return
        become: dict[str, str | float | bool] = {"role": person.role.value, "id": str(person.id)}
        signed_in = page.request.post("/demo/sign-in", form=become, max_redirects=0)
        assert signed_in.status == 303, signed_in.text()

    def _heed(self, kind: str, text: str) -> None:
        if kind == "error" and not NOT_OURS.search(text):
            self.errors.append(text)

    def close(self) -> None:
        """All of them."""
        for context in self._contexts:
            context.close()


@pytest.fixture
def windows(browser: "Browser", stage: Stage) -> Iterator[Windows]:
    """Windows that close after the story, which must not have upset any script."""
    windows = Windows(browser, stage)
    yield windows
    windows.close()
    assert not windows.errors


@pytest.fixture
def cast(stage: Stage) -> Iterator[Cast]:
    """People who were in no other story. After theirs, nothing that was asked stays open."""
    yield Cast.on(stage)
    for ended in ("reserved", "open"):
        stage.advance(OVERALL_LIMIT_MINUTES)
        wait_until(partial(_none, stage, ended), f"something stayed {ended}")


def _none(stage: Stage, pending: str) -> bool:
    return not stage.rows("select from session_requests where stage = $1", pending)
