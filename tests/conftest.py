"""Shared by all tests: the settings that must be the same everywhere, and one database server."""

import fcntl
import importlib
import json
import os
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import coverage
import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that runs several workers at once.
settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("watched", settings.get_profile("house"), max_examples=20)
settings.load_profile("house")  # the other: under a sanitizer, where all takes ten times as long

# A shell ignores it for what it starts in the background, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Tracing lines doubles the time of what does much in Python, imports and fixtures among it. So it
# goes on where the verify half is loaded and where its own tests run, and nowhere else; and where
# one thing is tried a thousand times, the marker `untraced` stands in the file. (pytest-cov has one
# too, but starts again after each test, which takes ten milliseconds.)
TRACED = {"tests", "derivation", "exchange", "merkle", "statements", "signing", "verification"}
TRACED |= {"test_artifacts", "test_canonical"}  # of tests/records
TRACED |= {"test_blocking", "test_checkpoint", "test_entry", "test_log_proof"}  # of tests/log
TRACED |= {"test_tiles"}
TRACED |= {"test_anchor", "test_jsonrpc"}  # of tests/anchoring
TRACER = pytest.StashKey[coverage.Coverage]()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    tracer = coverage.Coverage.current()
    if tracer is None:
        return
    session.config.stash[TRACER] = tracer
    root = session.config.rootpath
    project = tomllib.loads((root / "pyproject.toml").read_text())
    for glob in project["tool"]["provenance"]["verify-half"]:
        for path in root.glob(glob):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            importlib.import_module(name.removesuffix(".__init__"))
    # In a worker, what pytest-cov began before it knew that it is one still runs beneath.
    while (running := coverage.Coverage.current()) is not None:
        running.stop()


def pytest_runtest_protocol(item):
    tracer = item.config.stash.get(TRACER, None)
    if tracer is None:
        return
    own = not TRACED.isdisjoint((item.path.parent.name, item.path.stem))
    if not own or item.get_closest_marker("untraced"):
        tracer.stop()
    elif coverage.Coverage.current() is None:
        tracer.start()


@pytest.fixture
def parsed(monkeypatch):
    """The rows of JSONL, by their value of "a", that were hashed since this was cleared."""
    from provenance.records import rows

    found = []
    parse = rows.parse_row

    def parse_row(line, where):
        row = parse(line, where)
        found.append(row["a"])
        return row

    monkeypatch.setattr(rows, "parse_row", parse_row)
    return found


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Have what is dear made by the first worker that needs it, in a folder for all of them.

    ``once("wheel", make)`` calls `make` with an empty folder, and returns what became of that.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own

    def once(name, make):
        folder, draft = shared / name, shared / f"{name}.draft"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(draft, ignore_errors=True)  # of one who failed
                draft.mkdir()
                make(draft)
                draft.rename(folder)
        return folder

    return once


@pytest.fixture(scope="session")
def watched(once):
    """The extension under AddressSanitizer and UBSan; see `sanitizers.Watched`."""
    from sanitizers import Watched, build

    return Watched(once("watched", build))


@pytest.fixture(scope="session")
def postgres():
    """A running PostgreSQL server; see `postgres.Server`."""
    from postgres import Server, binaries

    if binaries() is None and not os.environ.get("CI"):
        pytest.skip("no PostgreSQL server is installed")
    server = Server()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def chromium():
    """The machine's Chromium, driven by Playwright: ``chromium.new_page()``, a profile of its own.

    For a module, not longer: while it runs, so does an event loop in this thread.
    """
    from playwright.sync_api import sync_playwright

    binary = shutil.which("chromium")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium is installed")
        pytest.skip("no Chromium is installed (Debian: chromium)")
    quiet = ("background-networking", "component-update", "sync", "gpu")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=binary,
            args=["--no-sandbox", "--no-first-run", *(f"--disable-{each}" for each in quiet)],
        )
        yield browser
        browser.close()


def page_script(name):
    """Return where a script of what pages are tested with is: ``axe-core/axe.min.js``."""
    path = Path(__file__).parent / "pages" / "node_modules" / name
    if not path.is_file():
        message = f"there is no {name}: `scripts/node_tools tests/pages` installs it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core, which finds what shuts somebody out of a page."""
    return page_script("axe-core/axe.min.js")


@pytest.fixture(scope="session")
def drawers():
    """The scripts of Mermaid and of Graphviz."""
    names = ("@mermaid-js/tiny/dist/mermaid.tiny.js", "@viz-js/viz/dist/viz-global.js")
    return [page_script(name) for name in names]


@pytest.fixture(scope="session")
def judge():
    """Ask the standards' own libraries: ``judge(croissant=document)``; see tests/validators."""
    root = Path(__file__).parent.parent
    python = root / ".validators" / "bin" / "python"
    if not (python.parent.parent / ".made-from").is_file():
        message = "no validators are installed: `scripts/validators` makes their environment"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with subprocess.Popen(
        [python, root / "tests" / "validators" / "judge.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:

        def judge(**asked):
            print(json.dumps(asked), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield judge
        process.stdin.close()
