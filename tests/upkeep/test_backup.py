"""`backup` and `restore`: a whole copy of a ledger in use, or none; and no history that forks."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from looking import content, told

import provenance
from provenance import InputError, Ledger, LedgerError, MalformedError, backup, fsck, restore
from provenance.ledger.watching import Watch
from provenance.signing import COSIGNATURE, PrivateKey, VerifierKey
from provenance.upkeep.copying import Manifest
from provenance.verification import Mark


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "copies/monday"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def meant(folder):
    """What each file of a ledger means, but for what a backup leaves out."""
    return {
        str(path.relative_to(folder)): content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and "uploads" not in path.parts
        and not path.name.endswith((".lock", "-wal", "-shm"))
    }


# --- backup ---------------------------------------------------------------------------------------


def test_a_backup_is_a_ledger_and_a_list(home, folder, dest):
    steps = []
    made = backup(dest, home, with_keys=True, progress=lambda *step: steps.append(step))
    assert (made.path, made.origin, made.size, made.keys) == (dest, "acme.example/ml", 12, 5)
    assert names(dest) == [".provenance", "SHA256SUMS"]
    assert names(dest.parent) == ["monday"]
    assert meant(dest / ".provenance") == meant(folder)
    assert made.files == len((dest / "SHA256SUMS").read_text().splitlines())
    assert made.length == sum(p.stat().st_size for p in dest.rglob("*") if p.is_file()) - (
        (dest / "SHA256SUMS").stat().st_size
    )
    assert steps[-1][0] == made.length
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dest, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    before = {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()}
    assert fsck(dest).verdict == "whole"
    assert {path: path.read_bytes() for path in dest.rglob("*") if path.is_file()} == before
    assert stat.S_IMODE(dest.stat().st_mode) == 0o700
    for name in ("config.toml", "keys/log.pem"):
        assert stat.S_IMODE((dest / ".provenance" / name).stat().st_mode) == 0o600


def test_keys_are_left_out_unless_they_are_asked_for(home, dest):
    assert backup(dest, home).keys == 0
    assert names(dest / ".provenance/keys") == []
    found = fsck(dest)
    assert found.verdict == "whole"
    assert found["keys"].mark is Mark.NOT_DEMANDED
    assert found["pending"].found == "3 outputs not registered yet, 0 uses not signed, 0 uploads"


def test_what_is_there_is_never_overwritten(home, folder, dest):
    dest.mkdir(parents=True)
    with pytest.raises(InputError, match=r"monday exists: a backup is never overwritten"):
        backup(dest, home)
    dest.rmdir()
    dest.symlink_to("nowhere")
    with pytest.raises(InputError, match="exists"):
        backup(dest, home)
    assert names(dest.parent) == ["monday"]
    with pytest.raises(InputError, match="lies in the ledger itself"):
        backup(folder / "copy", home)


def test_what_cannot_be_copied(home, folder, dest, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be copied to .*: File exists"):
        backup(tmp_path / "file/copy", home)
    (folder / "keys/a\nb.pem").write_text("")
    with pytest.raises(InputError, match=r"a file named .*a\\nb.pem' cannot be listed: rename it"):
        backup(dest, home, with_keys=True)
    (folder / "ledger.db").write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError, match=r"cannot be copied to .*: file is not a database"):
        backup(dest, home)
    assert names(dest.parent) == []


def test_a_chain_elsewhere_is_named(home, folder, dest):
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace('"chain.db"', '"../chain.db"'))
    with pytest.raises(LedgerError, match=r"the embedded chain \.\./chain\.db is not in"):
        backup(dest, home)


def test_a_log_on_a_server_is_not_copied(tmp_path, postgres, dest):
    with Ledger.init(tmp_path / "pg", origin="acme.example/ml", database=postgres.database()):
        pass
    with pytest.raises(LedgerError, match=r"in PostgreSQL.*`pg_dump` first, then copy"):
        backup(dest, tmp_path / "pg")
    assert not dest.parent.exists()


def test_backups_while_others_write(home, tmp_path):
    """Each is whole, and holds all that was acknowledged before it was asked for."""
    stop, acknowledged = threading.Event(), []

    def write(name):
        with Ledger.open(home) as ledger:
            number = 0
            while not stop.is_set():
                rows = ledger.register([{"by": name, "number": number}], name=f"{name} {number}")
                acknowledged.append(rows.index)
                if name == "a":
                    ledger.anchor()
                number += 1

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for writer in writers:
        writer.start()
    try:
        for number in range(6):
            before = list(acknowledged)
            made = backup(tmp_path / f"copy{number}", home)
            found = fsck(made.path)
            assert told(found) == {}
            assert found.verdict == "whole"
            assert made.size == found.size > max(before, default=0)
            assert Manifest.parse((made.path / "SHA256SUMS").read_text()).files
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert len(acknowledged) > 6


def test_an_output_is_in_each_copy_recorded_or_logged(home, tmp_path):
    with Ledger.open(home) as ledger, ledger.outputs(name="more", flush_count=3) as batches:
        for number in range(8):
            batches.record({"more": number})
            made = backup(tmp_path / f"copy{number}", home)
            found = fsck(made.path)
            assert found.verdict == "whole"
            restore(made.path, tmp_path / f"again{number}")
            shutil.copytree(
                home / ".provenance/keys",
                tmp_path / f"again{number}/.provenance/keys",
                dirs_exist_ok=True,
            )
            with Ledger.open(tmp_path / f"again{number}") as again:
                again.anchor()
                kept = [artifact.size for artifact in again.artifacts(name="more")]
            assert sum(kept) == number + 1


# Each call that makes something durable is the last one of a child that is forked for it.
KILLED = """
import os, pathlib, signal, sys
import provenance, provenance.upkeep.backup, provenance.upkeep.restore
import provenance.anchoring.embedded

what, source, dest = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])

def arm(left):
    def counting(real):
        def call(*arguments, **more):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **more)
        return call
    os.fsync = counting(os.fsync)
    pathlib.Path.rename = counting(pathlib.Path.rename)

kills = 0
while True:
    if os.fork() == 0:
        arm(kills)
        if what == "backup":
            provenance.backup(dest, source, with_keys=True)
        else:
            provenance.restore(source, dest)
        os._exit(0)
    status = os.wait()[1]
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    kills += 1
    found = dest if what == "backup" else dest / ".provenance"
    if found.exists():  # whole, but its name was not told to be durable
        assert provenance.fsck(dest).verdict == "whole"
        os.rename(found, found.with_name("kept"))
        import shutil
        shutil.rmtree(found.with_name("kept"))
    for left in dest.parent.glob(".*making-*"):
        if (left / ".provenance").exists():
            assert (left / "SHA256SUMS").exists() and provenance.fsck(left).verdict == "whole"
print(kills)
"""


def killed(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_backup_that_is_killed_leaves_nothing_half_made(home, dest):
    dest.parent.mkdir()
    assert killed("backup", home, dest) > 20
    assert fsck(dest).verdict == "whole"
    assert names(dest.parent) == ["monday"], "what was left was cleared"


def test_a_restore_that_is_killed_leaves_nothing_half_made(home, dest, tmp_path):
    backup(dest, home, with_keys=True)
    target = tmp_path / "again"
    target.mkdir()
    assert killed("restore", dest, target) > 20
    assert fsck(target).verdict == "whole"
    assert names(target) == [".provenance"]


def test_what_a_crash_left_is_cleared_and_what_is_being_made_is_not(home, dest):
    left = [dest.parent / f".monday.making-{number}" for number in range(2)]
    for path in left:
        path.mkdir(parents=True)
    lock = os.open(left[1], os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    backup(dest, home)
    assert names(dest.parent) == [".monday.making-1", "monday"]
    os.close(lock)
    shutil.rmtree(dest)
    backup(dest, home)
    assert names(dest.parent) == ["monday"]


# --- restore --------------------------------------------------------------------------------------


@pytest.fixture
def copy(home, dest):
    backup(dest, home, with_keys=True)
    return dest


def test_a_ledger_that_is_brought_back_goes_on(home, copy, tmp_path):
    made = restore(copy, tmp_path / "again")
    assert (made.folder, made.size) == (tmp_path / "again/.provenance", 12)
    assert [warning.partition(" ")[0] for warning in made.warnings] == ["it", "tokens"]
    assert meant(made.folder) == meant(copy / ".provenance")
    assert fsck(tmp_path / "again").verdict == "whole"
    with Ledger.open(tmp_path / "again") as ledger:
        ledger.anchor()
        proof = ledger.prove("rows", index=7)
        assert provenance.verify(proof, policy=ledger.policy(), chains=ledger.chains).index == 2
        with ledger._database.reading() as session:
            mode = session.connection().exec_driver_sql("PRAGMA journal_mode").scalar()
    assert mode == "wal"
    assert fsck(tmp_path / "again").verdict == "whole"
    assert fsck(copy).verdict == "whole"


def test_where_there_is_a_ledger_nothing_is_restored(home, folder, copy):
    before = meant(folder)
    with pytest.raises(LedgerError, match="there is a ledger in"):
        restore(copy, home)
    assert meant(folder) == before


def test_what_is_no_backup(home, copy, tmp_path):
    with pytest.raises(InputError, match="is no backup: SHA256SUMS cannot be read"):
        restore(home, tmp_path / "again")
    listed = (copy / "SHA256SUMS").read_text()
    for text in ("x\n", listed[:-1], listed + listed, f"{'0' * 64}  ../x\n", f"{'0' * 64}  /x\n"):
        (copy / "SHA256SUMS").write_text(text)
        with pytest.raises(MalformedError, match="is no backup: "):
            restore(copy, tmp_path / "again")
    (copy / "SHA256SUMS").write_text(f"{'0' * 64}  other\n")
    with pytest.raises(MalformedError, match="lists more than"):
        restore(copy, tmp_path / "again")
    (copy / "SHA256SUMS").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()


CHANGES = {
    "is not what was written": lambda copy: (copy / "policy.json").write_text("{}"),
    "cannot be read: No such file": lambda copy: (copy / "policy.json").unlink(),
    "extra is not listed": lambda copy: (copy / "extra").write_text(""),
    "is a symlink": lambda copy: linked(copy / "policy.json"),
}


def linked(path):
    path.rename(path.with_name("other"))
    path.symlink_to("other")


@pytest.mark.parametrize("said", CHANGES)
def test_a_backup_that_was_changed(copy, tmp_path, said):
    CHANGES[said](copy / ".provenance")
    with pytest.raises(LedgerError, match=rf"is not as it was made: .*{said}"):
        restore(copy, tmp_path / "again", force=True)
    assert not (tmp_path / "again").exists()


def test_a_backup_of_a_damaged_ledger(home, folder, database, dest, tmp_path):
    database("UPDATE mention SET kind = 7 WHERE entry = 2")
    backup(dest, home)
    with pytest.raises(LedgerError, match=r"is damaged: the rows of entry 2 .* says more"):
        restore(dest, tmp_path / "again", force=True)
    assert not (tmp_path / "again").exists()


def refused(copy, tmp_path, said):
    """Restoring is refused, and can be forced."""
    with pytest.raises(LedgerError, match=rf"{said}.*use --force, and write nothing to it"):
        restore(copy, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    made = restore(copy, tmp_path / "again", force=True)
    assert made.warnings[0]
    shutil.rmtree(tmp_path / "again")
    return made.warnings[0]


def test_the_monitor_here_has_seen_more(home, copy, tmp_path):
    with Ledger.open(home) as ledger:
        ledger.register([{"a": 9}], name="later")
        ledger.anchor()
    with Watch(str(home), evidence=tmp_path) as watch:
        watch.round()
    refused(copy, tmp_path, "the monitor here has seen 14 entries: the copy has 12")


def test_the_monitor_here_has_seen_another_history(copy, tmp_path):
    with Ledger.init(tmp_path / "other", origin="acme.example/ml") as other:
        other.anchor()
    with Watch(str(tmp_path / "other"), evidence=tmp_path) as watch:
        watch.round()
    refused(copy, tmp_path, "the monitor here has seen another tree of 2 entries")


def test_a_chain_or_a_witness_that_does_not_answer(home, dest, tmp_path):
    with Ledger.open(home) as ledger:
        vkey = VerifierKey("w.example/1", PrivateKey.generate().public, COSIGNATURE)
        ledger.add_witness("w1", "http://127.0.0.1:9", str(vkey))
    backup(dest, home)
    said = refused(dest, tmp_path, "the witness 'w1': w.example/1 at 127.0.0.1:9 ")
    assert "9 does not answer" in said


def test_a_contract_that_has_more(home, folder, dest, tmp_path):
    """As of a chain elsewhere: the copy's own chain is replaced by the one that went on."""
    backup(dest, home)
    with Ledger.open(home) as ledger:
        ledger.register([{"a": 9}], name="later")
        ledger.anchor()
    backup(dest.with_name("later"), home)
    later = dest.with_name("later")
    shutil.copy(later / ".provenance/chain.db", dest / ".provenance/chain.db")
    listed = Manifest.parse((dest / "SHA256SUMS").read_text())
    newer = Manifest.parse((later / "SHA256SUMS").read_text())
    listed.files[".provenance/chain.db"] = newer.files[".provenance/chain.db"]
    (dest / "SHA256SUMS").write_text(listed.to_text())
    refused(dest, tmp_path, "the contract on 'embedded' has a head of 14 entries: the log has 12")


def test_what_changes_while_it_is_read(copy, tmp_path, monkeypatch):
    module = sys.modules["provenance.upkeep.restore"]
    checked = module.fsck

    def meddle(*arguments, **more):
        found = checked(*arguments, **more)
        (copy / ".provenance/policy.json").write_text("{}")
        return found

    monkeypatch.setattr(module, "fsck", meddle)
    with pytest.raises(LedgerError, match=r"policy\.json changed while it was read"):
        restore(copy, tmp_path / "again")
    assert names(tmp_path / "again") == []


def test_a_copy_without_keys_says_so(home, dest, tmp_path):
    backup(dest, home)
    made = restore(dest, tmp_path / "again")
    assert "it holds no private keys: put them into .provenance/keys" in made.warnings[1]


def test_the_commands(home, dest, tmp_path):
    def run(*arguments, status=0):
        done = subprocess.run(
            [sys.executable, "-c", "from provenance.cli import main; main()", *arguments],
            cwd=home,
            env={"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr
        return done.stdout, done.stderr

    out, _ = run("backup", str(dest))
    first, second = out.splitlines()
    assert first.startswith(f"{dest}: 12 entries of acme.example/ml, ")
    assert second == "without private keys: keep a copy of them elsewhere, or use --with-keys"
    assert "never overwritten" in run("backup", str(dest), status=2)[1]
    out, told = run("restore", str(dest), str(tmp_path / "again"))
    assert out == f"{tmp_path}/again/.provenance: 12 entries of acme.example/ml\n"
    assert told.count("warning: ") == 3
