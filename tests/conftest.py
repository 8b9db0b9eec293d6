"""Shared by all tests: the settings that must be the same everywhere, and one database server."""

import os
import signal

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


# Tracing lines costs half of a test's time again. So those of the verify half are traced in its own
# tests only; and where one thing is tried a thousand times, the marker stands in the file.
TRACED = {"tests", "exchange", "merkle", "records", "statements", "signing", "log", "anchoring"}
TRACED |= {"verification"}


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name not in TRACED:
            item.add_marker("no_cover")


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
def watched(tmp_path_factory):
    """The extension under AddressSanitizer and UBSan; see `sanitizers.Watched`."""
    from sanitizers import Watched

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own
    return Watched.build(shared)


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
