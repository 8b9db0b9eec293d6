"""A ledger folder that is not as it must be: each error names the thing and the way out."""

import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path

import pytest

from provenance import InputError, Ledger, LedgerError
from provenance.ledger.config import Config

ROWS = [{"id": number} for number in range(3)]


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- init -------------------------------------------------------------------------------------


def test_what_a_new_ledger_holds(home):
    folder = home / ".provenance"
    settings = {"config.toml", "config.toml.sha256", "policy.json", "policy.json.sha256"}
    assert settings | {"chain.db", "drafts", "keys", "ledger.db", "spool", "trees"} == {
        path.name for path in folder.iterdir()
    }
    keys = {path.name for path in (folder / "keys").iterdir()}
    assert keys == {"admin.pem", "chain.pem", "log.pem", "signer.pem"}
    assert Config.read(folder / "config.toml").to_toml() == (folder / "config.toml").read_text()


def test_init_does_not_take_the_place_of_a_ledger(home):
    before = everything(home)
    said = rf"there is a ledger in {home} already: {home}/\.provenance"
    with pytest.raises(LedgerError, match=said):
        Ledger.init(home, origin="other.example/x")
    assert everything(home) == before


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\x00", "x" * 201, "a\u202eb"])
def test_origins_that_no_log_can_have(tmp_path, origin):
    with pytest.raises(InputError, match="cannot name a log"):
        Ledger.init(tmp_path / "new", origin=origin)
    assert everything(tmp_path / "new") == []


def test_init_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(LedgerError, match=f"cannot make a ledger in {path}"):
            Ledger.init(path, origin="acme.example/ml")


# Each in a child that is forked once everything is loaded: loading py-evm takes seconds.
KILLED_INITS = """
import os, pathlib, signal, sys
import provenance, provenance.ledger.ledger, provenance.anchoring.embedded

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

for number, place in enumerate(sys.argv[1:]):
    if os.fork() == 0:
        owner, _, name = place.rpartition(".")
        setattr(eval(owner, {"provenance": provenance, "pathlib": pathlib}), name, die)
        provenance.Ledger.init(f"new{number}", origin="acme.example/ml")
        os._exit(1)
    assert os.wait()[1] == signal.SIGKILL
"""


def test_an_init_that_was_killed_leaves_the_way_free(home, run):
    places = (
        "provenance.ledger.creation._chain",
        "provenance.anchoring.embedded.EmbeddedChain.register",
        "provenance.ledger.creation.add_key",
        "pathlib.Path.rename",
    )
    run(KILLED_INITS, *places)
    for number in range(len(places)):
        folder = home / f"new{number}"
        (left,) = folder.iterdir()
        assert left.name.startswith(".provenance.new-")
        assert list((left / "keys").iterdir())
        with Ledger.init(folder, origin="acme.example/ml") as ledger:
            ledger.register(ROWS, name="rows")
        assert [path.name for path in folder.iterdir()] == [".provenance"], "keys were left"


def test_an_init_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise LedgerError("the disk is full")

    monkeypatch.setattr("provenance.ledger.folder.write_file", full)
    with pytest.raises(LedgerError, match="the disk is full"):
        Ledger.init(tmp_path / "new", origin="acme.example/ml")
    assert everything(tmp_path / "new") == []


TWO_INITS = """
import os, provenance, provenance.ledger.ledger, provenance.anchoring.embedded
for name in "ab":
    if os.fork() == 0:
        try:
            provenance.Ledger.init("new", origin=f"{name}.example/x")
            os.write(1, b"made\\n")
        except provenance.LedgerError as error:
            os.write(1, f"{error}\\n".encode())
        os._exit(0)
for _ in range(2):
    assert os.wait()[1] == 0
"""


def test_two_inits_at_once_make_one_ledger(home, run):
    refused, made = sorted(run(TWO_INITS).splitlines(), key=lambda line: line == "made")
    assert made == "made"
    assert refused.startswith("there is a ledger in new already")
    assert [path.name for path in (home / "new").iterdir()] == [".provenance"]
    with Ledger.open(home / "new") as ledger:
        ledger.anchor()


# --- open -------------------------------------------------------------------------------------


def test_no_ledger_anywhere(tmp_path):
    with pytest.raises(LedgerError, match="or above it: make one with `provenance init`"):
        Ledger.open(tmp_path)
    with pytest.raises(LedgerError, match="no ledger in"):
        Ledger.open(tmp_path / "not/there")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin = ",
        "\x00",
        'orgin = "acme.example/ml"',
        "origin = 7",
        'origin = "acme.example/ml"\n[chains.embedded]\nurl = "http://a"\npath = "chain.db"\n',
        'origin = "acme.example/ml"\n[chains.embedded]\n',
        'origin = "acme.example/ml"\nchains = 1970-01-01\n',
        'origin = "other.example/x"\n',
        'origin = "acme.example/ml"\nchains = ' + "9" * 5000,
        'origin = "acme.example/ml"\nchains = ' + "[" * 5000 + "]" * 5000,
    ],
    ids=lambda text: ascii(text[:60]),
)
def test_a_damaged_config_is_named(home, text):
    path = home / ".provenance/config.toml"
    path.write_text(text)
    with pytest.raises(LedgerError, match=str(path)):
        Ledger.open(home)


def test_a_missing_config_is_named(home):
    path = home / ".provenance/config.toml"
    path.unlink()
    with pytest.raises(LedgerError, match=f"cannot read {path}"):
        Ledger.open(home)
    path.write_bytes(b"\xff")
    with pytest.raises(LedgerError, match=str(path)):
        Ledger.open(home)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"orgin":"a"}', b'{"origin":"acme.example/ml"}']
)
def test_a_damaged_policy_is_named_by_all_who_need_it(ledger, content):
    rows = ledger.register(ROWS, name="rows")
    path = ledger.folder.policy
    path.write_bytes(content)
    for use in (
        ledger.policy,
        ledger.status,
        ledger.anchor,
        ledger.anchors,
        lambda: ledger.prove(rows),
    ):
        with pytest.raises(InputError, match=str(path)):
            use()
    path.unlink()
    with pytest.raises(InputError, match=f"the policy {path} cannot be read"):
        ledger.policy()
    ledger.register(ROWS, name="needs none")


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\0" + b"x" * 4080])
def test_a_damaged_database_is_named(home, content):
    path = home / ".provenance/ledger.db"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LedgerError, match=str(path)):
        Ledger.open(home)


def test_a_database_of_another_version_is_named(home):
    path = home / ".provenance/ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '99'")
    connection.commit()
    connection.close()
    said = "schema version 99, not 9: use the version of provenance-ledger that made it"
    with pytest.raises(LedgerError, match=said):
        Ledger.open(home)


# --- rights -------------------------------------------------------------------------------------

# One ledger each, used by an unprivileged user in a child that is forked once all is loaded.
AS_NOBODY = """
import json, os, sys
import provenance

def use(home, what):
    try:
        with provenance.Ledger.open(home) as ledger:
            eval(what)
        return "nothing was raised"
    except provenance.ProvenanceError as error:
        return f"{type(error).__name__} {error}"

warm, *cases = json.loads(sys.stdin.readline())
for what in {what for _, what in cases}:
    assert use(warm[0], what) == "nothing was raised"
for home, what in cases:
    if os.fork() == 0:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        os.write(1, f"{use(home, what)}\\n".encode())
        os._exit(0)
    assert os.wait()[1] == 0
"""
REGISTER = "ledger.register([{'a': 1}], name='rows')"
RECORD = "ledger.outputs(name='answers').record({'a': 1})"
RIGHTS = [
    (".", 0o000, "None", r"LedgerError no right to use {}: check its owner and mode"),
    (".", 0o500, "None", r"LedgerError no right to use {}: check its owner and mode"),
    ("ledger.db", 0o400, "None", r"LedgerError no right to read and write {}/ledger\.db: check"),
    ("config.toml", 0o000, "None", r"LedgerError cannot read {}/config\.toml: Permission denied"),
    ("policy.json", 0o000, "ledger.policy()", r"InputError the policy {}/policy\.json .*denied"),
    ("trees", 0o500, REGISTER, r"LedgerError a tree file in {}/.*Permission denied"),
    ("drafts", 0o500, REGISTER, r"LedgerError a tree file in {}/drafts .*Permission denied"),
    ("spool", 0o500, RECORD, r"LedgerError cannot write {}/spool/.*Permission denied"),
    ("keys", 0o000, REGISTER, r"InputError cannot read the key file {}/keys/signer\.pem: Perm"),
    ("keys/log.pem", 0o000, "ledger.checkpoint()", r"InputError cannot read .*{}/keys/log\.pem"),
    ("chain.db", 0o000, "ledger.anchor()", r"ChainError embedded: .*{}/chain\.db cannot"),
]


def test_wrong_rights_are_named(template, start):
    # pytest's own folders cannot be reached by others.
    with tempfile.TemporaryDirectory(prefix="provenance-rights-") as name:
        Path(name).chmod(0o755)
        homes = [Path(name) / str(number) for number in range(len(RIGHTS) + 1)]
        for home in homes:
            shutil.copytree(template, home)
            for path in (home, *home.rglob("*")) if os.getuid() == 0 else ():
                os.chown(path, 65534, 65534)
        for home, (part, mode, *_) in zip(homes[1:], RIGHTS, strict=True):
            (home / ".provenance" / part).chmod(mode)
        uses = ["None", *(use for _, _, use, _ in RIGHTS)]
        process = start(AS_NOBODY)
        cases = json.dumps([(str(h), use) for h, use in zip(homes, uses, strict=True)])
        output, errors = process.communicate(f"{cases}\n", timeout=60)
        assert process.returncode == 0, errors
        for home, (part, _, _, said), line in zip(
            homes[1:], RIGHTS, output.splitlines(), strict=True
        ):
            (home / ".provenance" / part).chmod(0o700)  # so that it can be removed
            assert re.match(said.format(home / ".provenance"), line), line


def test_keys_stay_with_their_owner(ledger):
    ledger.add_key(ledger.keyring.new("second"), name="second")
    assert len(list(ledger.folder.keys.iterdir())) == 5
    for path in ledger.folder.keys.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
