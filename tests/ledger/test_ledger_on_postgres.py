"""A whole ledger whose log is on a PostgreSQL server; made once, since that takes seconds."""

import stat

import psycopg
import pytest

import provenance
from provenance import InputError, Ledger, LedgerError
from provenance.ledger.config import Config
from provenance.signing import PrivateKey

ROWS = [{"id": number} for number in range(5)]
ORIGIN = "acme.example/ml"

WRITER = """
import sys, provenance
with provenance.Ledger.open() as ledger:
    for number in range(10):
        rows = [{"own": sys.argv[1], "number": number}]
        print(ledger.register(rows, name=f"{sys.argv[1]} {number}").index, flush=True)
"""


@pytest.fixture(scope="module")
def url(postgres):
    return postgres.database()


@pytest.fixture(scope="module")
def home(tmp_path_factory, url):
    folder = tmp_path_factory.mktemp("postgres")
    Ledger.init(folder, origin=ORIGIN, database=url).close()
    return folder


@pytest.fixture
def ledger(home):
    with Ledger.open(home) as ledger:
        yield ledger


def test_from_a_record_to_a_block(ledger):
    rows = ledger.register(ROWS, name="rows")
    with ledger.step("train", inputs=["rows"]) as step:
        step.output(ROWS[:2], name="clf", kind="model", sensitivity="public")
    ledger.anchor()
    proof = ledger.prove("rows", record=ROWS[3])
    assert provenance.verify(proof, policy=ledger.policy(), chains=ledger.chains).signers
    assert ledger.resolve(rows.root[:12]).index == rows.index
    assert ledger.register(ROWS, name="rows").index == rows.index
    kinds = [event.statement.kind for event in ledger.history("clf").events]
    assert kinds == ["model", "step", "dataset"]
    assert ledger.status().checkpoint_size == ledger.status().size


def test_what_the_folder_says(home, url):
    config = home / ".provenance/config.toml"
    assert f'database = "{url}"' in config.read_text()
    assert url not in repr(Config.read(config)), "it may hold a password"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert not (home / ".provenance/ledger.db").exists()


def test_another_chain_or_key_leaves_the_database_named(ledger, home, url):
    ledger.folder.configure(chains=ledger.config.chains)
    assert f'database = "{url}"' in (home / ".provenance/config.toml").read_text()
    assert stat.S_IMODE((home / ".provenance/config.toml").stat().st_mode) == 0o600


def test_a_name_of_any_length(ledger):
    name = "\U0001f984é" * 500
    assert ledger.resolve(ledger.register(ROWS, name=name).name).name == name
    with pytest.raises(InputError, match="nothing is registered"):
        ledger.resolve(name[:-1])


def test_a_second_ledger_is_refused(tmp_path, url, ledger):
    with pytest.raises(LedgerError, match="Give each ledger a database"):
        Ledger.init(tmp_path, origin="other.example/ml", database=url)
    assert list(tmp_path.glob(".provenance*")) == []
    assert ledger.status().origin == ORIGIN


def test_the_log_of_another_origin_is_refused(tmp_path, url):
    Ledger.init(tmp_path, origin="other.example/ml").close()
    with Ledger.open(tmp_path) as other:
        other.folder.configure(database=url)
    with pytest.raises(LedgerError, match=r"names the log 'other.example/ml'; it is 'acme"):
        Ledger.open(tmp_path)


def test_processes_and_a_batch_at_the_same_time(ledger, start, home):
    key = PrivateKey.generate()
    ledger.add_key(key.public, name="batch")
    before = ledger.status().size
    writers = [start(WRITER, name) for name in "ab"]
    told = [int(index) for writer in writers for index in writer.communicate(timeout=60)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(told) == list(range(before, before + 20))


def test_a_server_that_is_away(home, ledger):
    ledger.folder.configure(database="postgresql://me:hidden@/db?host=/nowhere")
    try:
        with pytest.raises(LedgerError, match="cannot be reached") as caught:
            Ledger.open(home)
    finally:
        ledger.folder.configure(database=ledger.config.database)
    assert "hidden" not in str(caught.value)


def test_the_password_may_come_from_the_environment(tmp_path, postgres, monkeypatch):
    full = postgres.database()
    monkeypatch.setenv("PGPASSWORD", psycopg.conninfo.conninfo_to_dict(full)["password"])
    bare = full.replace(":s3cret%2F%20of%2Btests@", "@")
    with Ledger.init(tmp_path, origin=ORIGIN, database=bare) as ledger:
        assert "s3cret" not in ledger.folder.config.read_text()
        assert ledger.register(ROWS, name="rows").index == 2
