"""Key files: whole or not there, never replaced, never readable by others."""

import errno
import os
import stat

import pytest

from provenance.errors import InputError, LedgerError, MalformedError
from provenance.signing import PrivateKey, keyfiles, read_key_file, write_key_file


@pytest.fixture
def key():
    return PrivateKey.generate()


def test_a_key_file_reads_back(tmp_path, key):
    write_key_file(tmp_path / "k.pem", key, None)
    assert read_key_file(tmp_path / "k.pem").public == key.public
    assert read_key_file(str(tmp_path / "k.pem")).public == key.public
    assert [path.name for path in tmp_path.iterdir()] == ["k.pem"]


def test_mode_0600_whatever_the_umask(tmp_path, key):
    old = os.umask(0)
    try:
        write_key_file(tmp_path / "k.pem", key, None)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o601])
def test_a_key_file_that_others_may_use_is_refused(tmp_path, key, mode):
    write_key_file(tmp_path / "k.pem", key, None)
    (tmp_path / "k.pem").chmod(mode)
    with pytest.raises(InputError, match=rf"\(mode {mode:04o}\): chmod 600"):
        read_key_file(tmp_path / "k.pem")


def test_a_key_file_is_never_overwritten(tmp_path, key):
    write_key_file(tmp_path / "k.pem", key, None)
    with pytest.raises(InputError, match="never overwritten"):
        write_key_file(tmp_path / "k.pem", PrivateKey.generate(), None)
    assert read_key_file(tmp_path / "k.pem").public == key.public
    assert [path.name for path in tmp_path.iterdir()] == ["k.pem"]


def test_the_wrong_passphrase_names_the_file(tmp_path, key):
    write_key_file(tmp_path / "k.pem", key, b"right")
    assert read_key_file(tmp_path / "k.pem", b"right").public == key.public
    with pytest.raises(InputError, match=r"the key file .*k\.pem does not open: wrong passphrase"):
        read_key_file(tmp_path / "k.pem", b"wrong")
    with pytest.raises(InputError, match=r"k\.pem is encrypted and no passphrase was given"):
        read_key_file(tmp_path / "k.pem")


def test_no_such_file_and_not_a_key(tmp_path):
    with pytest.raises(InputError, match="cannot read the key file"):
        read_key_file(tmp_path / "none.pem")
    (tmp_path / "junk.pem").write_bytes(b"junk")
    (tmp_path / "junk.pem").chmod(0o600)
    with pytest.raises(MalformedError, match=r"junk\.pem is not a PEM private key"):
        read_key_file(tmp_path / "junk.pem")


def test_a_folder_that_is_not_there(tmp_path, key):
    with pytest.raises(LedgerError, match="cannot write the key file"):
        write_key_file(tmp_path / "none" / "k.pem", key, None)


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, key, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keyfiles.os, call, full)
        with pytest.raises(LedgerError, match="No space left"):
            write_key_file(tmp_path / "k.pem", key, None)
    assert not list(tmp_path.iterdir())
