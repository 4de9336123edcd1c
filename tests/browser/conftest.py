"""A real browser on a real JupyterLab, both without a network; pictures of what they show.

Whatever else a page asks for than this machine makes its test fail. Every test leaves a picture of
its last state in runs/browser.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.browser.notebook import Notebook
from tests.browser.server import ROOT, jupyter_lab, make_project
from tests.browser.trainings import small
from workbench.experiments import train_deep_ncuts
from workbench.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SHOTS = ROOT / "runs" / "browser"
_HERE = Path(__file__).parent
_LOCAL = {"127.0.0.1", "localhost"}
_HARMLESS = re.compile(
    r"GPU stall due to ReadPixels|Failed to load resource.*favicon|Autofocus processing was blocked"
    # Seen twice where a kernel restarts, once with ipykernel's own warning of frozen modules; why
    # is not known. JupyterLab drops such a message.
    r"|Kernel message validation error"
)
"""What browsers write on their console that is nobody's fault; what is shown is tested anyway."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder have its marker, and none of them waits longer than three minutes."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one, a skip or a failure that says how to get it."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        _missing("the package playwright: pip install playwright")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        _missing("a browser: apt-get install chromium (make test does that where it may)")
    return found


def _missing(what: str) -> Any:
    message = f"tests in a browser need {what}"
    if os.environ.get("CI") == "true" or os.environ.get("WORKBENCH_BROWSER") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def trained(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of two passes, with snapshots of two held-out scenes."""
    return train_deep_ncuts(small(sample_store, 2), tmp_path_factory.mktemp("browser") / "run")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project's notebooks in `notebooks`."""
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    return folder


@pytest.fixture(scope="module")
def lab(chromium: str, project: Path) -> Iterator[str]:
    """The address of a JupyterLab on the project's notebooks."""
    with jupyter_lab(project) as address:
        yield address


# A module's, not the session's: as long as playwright is there, the main thread has its event loop,
# and other tests want their own. For the same reason trainings are over before it begins.
@pytest.fixture(scope="module")
def browser(chromium: str, trained: Run) -> Iterator["Browser"]:
    """Chromium, which finds no host but this one."""
    from playwright.sync_api import sync_playwright

    options = [
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--force-color-profile=srgb",
        "--disable-dev-shm-usage",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def page(browser: "Browser", request: pytest.FixtureRequest) -> Iterator["Page"]:
    """A page of its own. It fails a test that has asked for a network or has met errors."""
    context = browser.new_context(viewport={"width": 1400, "height": 1300})
    context.set_default_timeout(60_000)
    page = context.new_page()
    outside: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: _note(request.url, outside))
    page.on("websocket", lambda socket: _note(socket.url, outside))
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    try:
        yield page
        _picture(page, request.node.name)
    finally:
        context.close()
    assert not outside, f"the page has asked for what is not on this machine: {outside}"
    errors = [error for error in errors if not _HARMLESS.search(error)]
    assert not errors, f"the console says: {errors}"


@pytest.fixture
def keep(page: "Page", request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps a picture of the page as it is now, under the test's name and another."""
    return lambda name: _picture(page, f"{request.node.name}-{name}")


@pytest.fixture
def open_notebook(page: "Page", lab: str) -> Callable[[str], Notebook]:
    """Opens a notebook of the project, by its name."""
    return lambda name: Notebook(page, lab, name)


def _note(url: str, outside: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"data", "blob", "about"} and parts.hostname not in _LOCAL:
        outside.append(url)


def _picture(page: "Page", name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{re.sub(r'[^a-z0-9]+', '-', name.removeprefix('test_'))}.png")
