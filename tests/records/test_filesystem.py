"""Files listed and read, by the extension and without. Oracle: `os`, file by file."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import file_cases
import pytest

from provenance.merkle import bulk
from provenance.records import filesystem
from provenance.records.files import state_of

WAYS = ["extension", "without"]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Either implementation, behind `list_files` and `read_files`."""
    if request.param == "without":
        monkeypatch.setattr(filesystem, "kernel", bulk.Hashlib)
    elif not isinstance(filesystem.kernel(), bulk.Native):
        pytest.skip("the extension is not built, or not chosen")


@pytest.mark.usefixtures("way")
def test_lists_hold_everything(tmp_path):
    file_cases.check_lists(filesystem.list_files, tmp_path)


@pytest.mark.usefixtures("way")
def test_files_are_read_as_they_were_listed(tmp_path):
    file_cases.check_reading(filesystem.read_files, tmp_path)


@pytest.mark.usefixtures("way")
def test_what_does_not_fit_is_refused(tmp_path):
    file_cases.check_arguments(filesystem.read_files, tmp_path)


@pytest.mark.usefixtures("way")
def test_what_may_not_be_looked_at_is_among_the_others():
    """In a folder that can be read but not searched."""
    user = os.geteuid()
    with TemporaryDirectory() as above:  # that others may search: pytest's own they may not
        Path(above).chmod(0o755)
        folder = Path(above, "folder")
        folder.mkdir()
        (folder / "a").write_bytes(b"")
        folder.chmod(0o444)
        try:
            if user == 0:  # who may look at everything
                os.seteuid(65534)
            assert filesystem.list_files(folder) == ([], b"", ["a"])
        finally:
            os.seteuid(user)
            folder.chmod(0o700)


def test_states_are_unpacked(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for size, path in enumerate(paths):
        path.write_bytes(b"x" * size)
    states = b"".join(filesystem.pack(path.stat()) for path in paths)
    assert states == b"".join(map(file_cases.state, paths))
    assert [*filesystem.unpack(states)] == [state_of(path.stat()) for path in paths]
    assert filesystem.sizes(states) == [0, 1]
    assert [*filesystem.unpack(b"")] == filesystem.sizes(b"") == []


WATCHED = """
import file_cases, tempfile
with tempfile.TemporaryDirectory() as folder:
    file_cases.check_all(extension.list_files, extension.read_files, folder)
"""


def test_the_sanitizers_find_nothing(watched):
    """They watch every case above."""
    watched.run(WATCHED, Path(__file__).parent)
