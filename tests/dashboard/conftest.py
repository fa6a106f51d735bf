"""Fixtures of the app's tests: a study, a server, a browser."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Helpers that are no tests; the import mode of the project adds no folder by itself.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from browser_listener import CHROMIUM_ARGUMENTS, WAIT_MS
from listening_site import Site, make_study, serving

CHROMIUM = os.environ.get("EVALSUITE_CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its script as ``__main__``, which spawned processes would run."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A published study of 4 listeners × 3 trials of half a second."""
    return make_study(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app serving a study with seats for every test of a module."""
    study = make_study(tmp_path_factory.mktemp("site"), listeners=24)
    with serving(study) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium under Playwright.

    Per module and no longer: while Playwright runs, no test can run an event loop of its own.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        message = f"no Chromium at {CHROMIUM}; set EVALSUITE_CHROMIUM"
        if os.environ.get("EVALSUITE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, timeout=2 * WAIT_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Any) -> Iterator[Any]:
    """A fresh browser profile; make pages with ``window.new_page()``."""
    context = chromium.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()
