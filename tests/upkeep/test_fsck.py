"""`fsck`: what is whole is said to be, and each kind of damage is found where it is."""

import re
import shutil
import sqlite3
import subprocess
import threading
from dataclasses import replace
from hashlib import sha256

import pytest
from looking import everything, told
from sqlmodel import SQLModel
from state_world import CODE_SHA256, Block

from provenance import Ledger, LedgerError, fsck
from provenance.anchoring import ChainPin
from provenance.forms import dump
from provenance.ledger.catalog import AnchorRow
from provenance.ledger.config import ChainConfig, WitnessConfig
from provenance.ledger.indexing import Facet
from provenance.ledger.states import StateProofRow
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.log.schema import VERSION_TABLE
from provenance.merkle import TreeWriter
from provenance.signing import Envelope, PrivateKey, VerifierKey, sign_note
from provenance.signing.dsse import Signature
from provenance.upkeep import report
from provenance.upkeep.chainfile import chain_damage
from provenance.upkeep.database import TABLES
from provenance.upkeep.report import Findings, Kind
from provenance.verification import Mark


def test_a_whole_ledger_is_whole_and_nothing_is_written(home, folder):
    before = everything(folder)
    found = fsck(home)
    assert (found.verdict, found.origin, found.size) == ("whole", "acme.example/ml", 12)
    assert told(found) == {}
    marks = {area.name: area.mark for area in found.areas}
    assert marks.pop("access") is Mark.NOT_DEMANDED  # test_access_upkeep.py has some
    assert {*marks.values()} == {Mark.HOLDS}
    assert everything(folder) == before
    assert found["log"].found == "12 entries, 1 tile, 3 checkpoints, 1 cosignature"
    assert found["trees"].found == "5 trees of 309 records"
    assert found["tokens"].found == "2 tokens, 1 of them revoked"
    assert found["pending"].found == "3 outputs not registered yet, 0 uses not signed, 1 upload"
    assert fsck(home / "data").place == str(folder), "it is found upward"


def test_a_new_ledger_is_whole(tmp_path):
    with Ledger.init(tmp_path, origin="acme.example/ml"):
        found = fsck(tmp_path)
    assert found.verdict == "whole"
    there = {area.name for area in found.areas if area.mark is Mark.HOLDS}
    assert there == {"settings", "database", "log", "envelopes", "catalogue", "anchors"} | {
        "chain",
        "keys",
    }


def test_no_ledger_is_an_error(tmp_path):
    with pytest.raises(LedgerError, match="no ledger in"):
        fsck(tmp_path)


def test_every_table_is_somebodys():
    """One that is added is either computed anew, verified or sealed; here it says where."""
    assert {*SQLModel.metadata.tables, VERSION_TABLE} == set(TABLES)


def test_it_is_told_how_far_it_is(home):
    calls = []
    fsck(home, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1] > 0


def test_many_faults_are_counted():
    found = Findings("log")
    for number in range(report.SHOWN + 5):
        found.fault(str(number), Kind("it is bad", "mend it"))
    area = found.area("much")
    assert (len(area.faults), area.more) == (report.SHOWN, 5)


# --- each kind of damage --------------------------------------------------------------------------

ORIGIN = "acme.example/ml"
FLIP = "substr({0}, 1, {1}) || char(unicode(substr({0}, {1} + 1, 1)) + 1) || substr({0}, {1} + 2)"
ROTTEN = "CAST(zeroblob(1) || substr({0}, 2) AS BLOB)"
DATABASE = {
    "an entry that is gone": (
        'DELETE FROM entry WHERE "index" = 5',
        {
            "log": r"entry 5 is missing",
            "envelopes": r"an envelope 5 of no entry",
            "catalogue": r"a row names entry 5, which is none",
        },
    ),
    "the last entry is gone": (
        'DELETE FROM entry WHERE "index" = 11',
        {
            "log": r"tile/0/000\.p/11 is not what its entries make",
            "envelopes": r"an envelope 11 of no entry",
            "catalogue": r"a row names entry 11, which is none",
        },
    ),
    "an entry far behind": (
        'UPDATE entry SET "index" = 4103 WHERE "index" = 7',
        {
            "log": r"entry 7 is missing; entry 4103 cannot stand in a log of 12",
            "envelopes": r"an envelope 7 of no entry",
            "catalogue": "1 row of no statement",
            "keys": "second.pem is a key that the log does not know",
        },
    ),
    "an entry of no form": (
        f'UPDATE entry SET leaf = {ROTTEN.format("leaf")} WHERE "index" = 3',
        {"log": r"entry 3: not a log entry of version 1; entry 3 is not that of its envelope"},
    ),
    "an entry of another artifact": (
        'UPDATE entry SET leaf = (SELECT leaf FROM entry WHERE "index" = 2) WHERE "index" = 3',
        {"log": r"entry 3 is not that of its envelope"},
    ),
    "another kind in the row": (
        'UPDATE entry SET kind = 4 WHERE "index" = 3',
        {"log": "entry 3 has another kind in its row than in its bytes"},
    ),
    "another payload in the row": (
        'UPDATE entry SET submission = zeroblob(32) WHERE "index" = 3',
        {"log": "entry 3 does not know what was handed in"},
    ),
    "a tile that is gone": (
        "DELETE FROM tile",
        {"log": r"tile/0/000\.p/12 is missing"},
    ),
    "a tile with another hash": (
        f"UPDATE tile SET hashes = {ROTTEN.format('hashes')}",
        {"log": r"tile/0/000 has no hash of entry 0"},
    ),
    "a tile that is cut": (
        "UPDATE tile SET hashes = substr(hashes, 1, 320)",
        {"log": r"tile/0/000\.p/12 is not what its entries make"},
    ),
    "a tile of nothing": (
        "INSERT INTO tile VALUES (1, 0, zeroblob(32))",
        {"log": "1 tiles are of no entries"},
    ),
    "a checkpoint of another size": (
        "UPDATE checkpoint SET size = size + 1 WHERE size = 4",
        {
            "log": r"the checkpoint of 5 entries says 'acme.example/ml', 4; a cosignature under no "
            r"checkpoint, of 4; the checkpoint of 5 entries is not of these entries",
            "anchors": "the anchor of 4 entries on 'embedded' is of no checkpoint",
        },
    ),
    "a checkpoint that was altered": (
        f"UPDATE checkpoint SET note = {FLIP.format('note', 16)} WHERE size = 4",
        {"log": "the checkpoint of 4 entries says 'acme.example/ml', 5"},
    ),
    "a checkpoint beyond the log": (
        "UPDATE checkpoint SET size = 99 WHERE size = 11",
        {"log": "there is a checkpoint of 99 entries, and there are 12", "anchors": "is of no che"},
    ),
    "a checkpoint of less than nothing": (
        "UPDATE checkpoint SET size = -3 WHERE size = 11",
        {"log": "a checkpoint of -3 entries", "anchors": "is of no checkpoint"},
    ),
    "a cosignature that was altered": (
        f"UPDATE cosignature SET line = {FLIP.format('line', 60)}",
        {"log": "a cosignature under the checkpoint of 4 entries: "},
    ),
    "a cosignature of another size": (
        "UPDATE cosignature SET size = 12",
        {"log": "a cosignature under no checkpoint, of 12"},
    ),
    "an envelope of no form": (
        f'UPDATE envelope SET data = {ROTTEN.format("data")} WHERE "index" = 8',
        {"envelopes": "the envelope of entry 8 is not the one that the entry names"},
    ),
    "an envelope of nothing": (
        "INSERT INTO envelope VALUES (77, zeroblob(9))",
        {"envelopes": "an envelope 77 of no entry"},
    ),
    "the envelope of a key is gone": (
        'DELETE FROM envelope WHERE "index" = 1',
        {"envelopes": "the envelope of entry 1 is missing", "keys": "signer.pem is a key that"},
    ),
    "entry 0 is not readable": (
        'UPDATE envelope SET data = zeroblob(20) WHERE "index" = 0',
        {"envelopes": "the envelope of entry 0 is not the one that the entry names"},
    ),
    "a row of the catalogue is gone": (
        "DELETE FROM mention WHERE entry = 2",
        {"catalogue": "the rows of entry 2 are not those of its statement"},
    ),
    "a row of the catalogue was altered": (
        "UPDATE mention SET kind = kind + 1 WHERE entry = 2",
        {"catalogue": "the rows of entry 2 are not those of its statement"},
    ),
    "a row of the catalogue too many": (
        "INSERT INTO mention VALUES (99, 0, zeroblob(32), 1, 1)",
        {"catalogue": "a row names entry 99, which is none"},
    ),
    "a name by which nothing is found": (
        "DELETE FROM facet WHERE facet = 1 AND entry = 2",
        {"catalogue": "the rows of entry 2 are not those of its statement"},
    ),
    "a name by which another is found": (
        "UPDATE facet SET value = CAST('Rows' AS BLOB) WHERE facet = 1 AND entry = 2",
        {"catalogue": "the rows of entry 2 are not those of its statement"},
    ),
    "a name that nobody gave": (
        "INSERT INTO facet VALUES (1, zeroblob(3), 2)",
        {"catalogue": "1 row of no statement"},
    ),
    "an anchor that was altered": (
        "UPDATE anchor SET nonce = nonce + 1 WHERE size = 4",
        {"anchors": "the row 'embedded, 4' of the table anchor does not have its seal"},
    ),
    "a token that is valid again": (
        "UPDATE token SET revoked = NULL WHERE name = 'auditor'",
        {"tokens": "of the table token does not have its seal"},
    ),
    "a column of another type": (
        "UPDATE token SET digest = 'text'",
        {"tokens": "a row of the table token has no digest"},
    ),
    "a table that is not ours": (
        "CREATE TABLE other (x)",
        {"database": "the table other is not one of those that are made today"},
    ),
    "nothing to remember by": (
        "DELETE FROM generation",
        {"database": "the table generation does not have its one row"},
    ),
    "an index that is gone": (
        "DROP INDEX mention_digest",
        {"database": "the index mention_digest is missing, or is another"},
    ),
    "another version": (
        "UPDATE alembic_version SET version_num = '99'",
        {"database": "has schema version 99, not"},
    ),
}


@pytest.mark.parametrize("name", DATABASE)
def test_damage_in_the_database_is_found_where_it_is(home, database, name):
    sql, expected = DATABASE[name]
    database(sql)
    found = fsck(home)
    assert found.verdict == "damaged"
    said = told(found)
    assert set(said) == set(expected), said
    for area, words in expected.items():
        assert re.search(words, said[area]), said[area]
    for area in found.areas:
        for fault in area.faults:
            assert fault.means
            assert fault.remedy


def test_an_index_that_does_not_fit_its_table(home, database):
    """As damage leaves it: what SQLite finds by it is not what is there."""
    database("PRAGMA writable_schema = ON")
    sql = "UPDATE sqlite_schema SET sql = replace(sql, '(digest,', '(kind,') WHERE name = ?"
    database(sql, ("mention_digest",))
    assert re.search("mention_digest", told(fsck(home))["database"])


def erase(database, index):
    database('DELETE FROM envelope WHERE "index" = ?', (index,))


def test_an_erased_envelope_is_named_and_no_fault(home, database):
    erase(database, 8)
    found = fsck(home)
    assert found.verdict == "whole"
    assert found["envelopes"].notes == ("the envelope of entry 8 was erased",)
    assert found["envelopes"].found.endswith("; 1 erased")
    database("UPDATE mention SET digest = zeroblob(32) WHERE entry = 8")
    assert told(fsck(home)) == {"catalogue": "a row of entry 8 names what it does not"}


def test_what_signed_after_a_lost_key_is_not_judged(home, database):
    erase(database, 7)  # adds `second`
    found = fsck(home)
    assert found["envelopes"].notes == (
        "entry 7 says who may sign: whether later signers might is not known",
    )


# --- what should never have been logged -----------------------------------------------------------


def test_an_entry_by_a_key_that_did_not_stand_there(home, monkeypatch):
    """As a fault of admission would leave it, whole in itself."""
    with Ledger.open(home, signers=["second"]) as ledger:  # which is revoked
        monkeypatch.setattr(ledger.journal._admission, "admit", lambda *_: None)
        ledger.register([{"a": 3}], name="by a revoked key")
        ledger.checkpoint()
    said = told(fsck(home))
    assert set(said) == {"envelopes"}
    assert re.fullmatch(r"entry 12: key [0-9a-f]{16} was revoked at entry 10", said["envelopes"])


def test_a_signature_that_is_not_valid(home, database):
    """An entry that names an envelope with a bad signature, and a tile for that entry."""
    (data,) = database('SELECT data FROM envelope WHERE "index" = 11').fetchone()
    envelope = Envelope.parse(data)
    (signed,) = envelope.signatures
    bad = Signature(keyid=signed.keyid, sig=bytes(64))
    forged = dump(Envelope(payload=envelope.payload, signatures=(bad,)))
    (leaf,) = database('SELECT leaf FROM entry WHERE "index" = 11').fetchone()
    leaf = leaf[:2] + sha256(forged).digest() + leaf[34:]
    own = sha256(b"\0" + leaf).digest()
    database('UPDATE envelope SET data = ? WHERE "index" = 11', (forged,))
    database('UPDATE entry SET leaf = ? WHERE "index" = 11', (leaf,))
    database("UPDATE tile SET hashes = CAST(substr(hashes, 1, 352) || ? AS BLOB)", (own,))
    sql = "UPDATE facet SET value = ? WHERE facet = ? AND entry = 11"
    database(sql, (sha256(forged).digest(), Facet.ENVELOPE))
    said = told(fsck(home))
    assert set(said) == {"envelopes"}
    assert said["envelopes"].startswith("entry 11: ")


def test_a_log_of_somebody_else(home, folder, tmp_path):
    """Entry 0 is whole, and by another log: no checkpoint is its own, nor any setting."""
    with Ledger.init(tmp_path / "other", origin="other.example/x"):
        pass
    shutil.copy(tmp_path / "other/.provenance/ledger.db", folder / "ledger.db")
    said = told(fsck(home))
    assert "policy.json is for the log 'acme.example/ml'" in said["settings"]
    assert "keys/log.pem is not the key of this log" in said["keys"]
    assert "the contract on 'embedded' has a head of 11 entries: the log has 2" in said["anchors"]


def test_a_checkpoint_over_another_tree(home, database):
    """Signed by the log's own key, as by a machine that computed wrongly."""
    with Ledger.open(home) as ledger:
        text = Checkpoint(ledger.origin, 8, bytes(32)).to_text()
        note = sign_note(text, ledger.origin, ledger.keyring.log).decode()
    database("INSERT INTO checkpoint VALUES (8, ?)", (note,))
    said = told(fsck(home))
    assert set(said) == {"log"}
    assert "the checkpoint of 8 entries is not of these entries" in said["log"]


def test_a_checkpoint_by_another_key(home, database):
    with Ledger.open(home) as ledger, ledger._database.reading() as session:
        root = Log(session, ledger.origin).root(8)
        text = Checkpoint(ledger.origin, 8, root).to_text()
        note = sign_note(text, ledger.origin, PrivateKey.generate()).decode()
    database("INSERT INTO checkpoint VALUES (8, ?)", (note,))
    assert "signed by no known key" in told(fsck(home))["log"]


# --- chains ---------------------------------------------------------------------------------------


def test_a_log_that_was_brought_back_from_an_old_copy(home, folder, tmp_path):
    shutil.copy(folder / "ledger.db", tmp_path / "old.db")
    with Ledger.open(home) as ledger:
        ledger.register([{"a": 4}], name="later")
        ledger.anchor()
    (folder / "ledger.db").write_bytes((tmp_path / "old.db").read_bytes())
    found = fsck(home)
    (fault,) = found["anchors"].faults
    assert fault.what == "the contract on 'embedded' has a head of 14 entries: the log has 12"
    assert "brought back from an old copy" in fault.means


CHAIN = {
    "a value with another hash": (
        "UPDATE node SET value = zeroblob(40) WHERE key = (SELECT key FROM node WHERE "
        "length(key) = 32 LIMIT 1)",
        r"does not have this hash|does not have its hash",
    ),
    "a block under another number": (
        "UPDATE node SET value = (SELECT value FROM node WHERE key = CAST('block-number-to-hash:1' "
        "AS BLOB)) WHERE key = CAST('block-number-to-hash:2' AS BLOB)",
        r"is damaged|py-evm's entry block-number-to-hash:2 is not what the blocks say",
    ),
    "a transaction that is not found": (
        "DELETE FROM node WHERE key = (SELECT key FROM node WHERE "
        "key > CAST('transaction' AS BLOB) AND key < CAST('u' AS BLOB) LIMIT 1)",
        "py-evm's entry transaction-hash-to-block:.*is not what the blocks say",
    ),
    "an anchor that is not in the index": (
        "DELETE FROM anchored WHERE block = 3",
        "the index of anchored heads is not what the receipts say",
    ),
    "a row too many": (
        "INSERT INTO anchored VALUES (zeroblob(20), zeroblob(32), zeroblob(8), zeroblob(32), 1, "
        "zeroblob(32))",
        "the index of anchored heads is not what the receipts say",
    ),
    "another chain id": ("UPDATE chain SET id = id + 1", "."),
    "two chain ids": ("INSERT INTO chain VALUES (7)", "2 chain ids"),
    "no index": ("DROP INDEX anchored_in_block", "the index anchored_in_block is missing"),
}


@pytest.mark.parametrize("name", CHAIN)
def test_damage_of_the_embedded_chain(home, folder, name):
    sql, words = CHAIN[name]
    connection = sqlite3.connect(folder / "chain.db", isolation_level=None)
    assert connection.execute(sql).rowcount != 0
    connection.close()
    found = fsck(home)
    said = told(found)
    if name == "another chain id":
        assert "is on chain" in said["anchors"]
        return
    assert found.verdict == "damaged"
    assert re.search(words, said["chain"]), said["chain"]


def test_every_value_of_the_chains_store_is_hashed(folder):
    """Also what only an older state was, and nobody reads any more."""
    connection = sqlite3.connect(folder / "chain.db", isolation_level=None)
    keys = connection.execute("SELECT key FROM node WHERE length(key) = 32").fetchall()
    for (key,) in keys:
        (value,) = connection.execute("SELECT value FROM node WHERE key = ?", (key,)).fetchone()
        connection.execute("UPDATE node SET value = zeroblob(9) WHERE key = ?", (key,))
        found = chain_damage(folder / "chain.db")
        assert f"the value under 0x{key.hex()} does not have this hash" in next(found)
        found.close()
        connection.execute("UPDATE node SET value = ? WHERE key = ?", (value, key))
    connection.close()
    assert list(chain_damage(folder / "chain.db")) == []


def test_state_that_cannot_be_reached(home, folder):
    """Each value of the store is needed, or what an older state was."""
    connection = sqlite3.connect(folder / "chain.db", isolation_level=None)
    keys = connection.execute("SELECT key FROM node WHERE length(key) = 32").fetchall()
    lost = 0
    for (key,) in keys:
        connection.execute("BEGIN")
        (value,) = connection.execute("SELECT value FROM node WHERE key = ?", (key,)).fetchone()
        connection.execute("DELETE FROM node WHERE key = ?", (key,))
        connection.execute("COMMIT")
        lost += fsck(home)["chain"].mark is Mark.FAILS
        connection.execute("INSERT INTO node VALUES (?, ?)", (key, value))
    connection.close()
    assert lost > len(keys) / 2
    assert fsck(home).verdict == "whole"


@pytest.mark.parametrize("content", [None, b"", b"SQLite format 3\0" + b"x" * 4080])
def test_an_embedded_chain_that_is_none(home, folder, content):
    (folder / "chain.db").unlink()
    if content is not None:
        (folder / "chain.db").write_bytes(content)
    found = fsck(home)
    assert found.verdict == "damaged"
    assert set(told(found)) == {"anchors", "chain"}


MAIN = ChainPin(
    chain_id=1,
    contract="0x" + "c0" * 20,
    ledger_id=bytes(31) + b"\1",
    code_sha256=CODE_SHA256,
    confirmations=12,
    name="main",
)


@pytest.fixture
def anchored_elsewhere(home):
    """A ledger with an anchor, and its proof, on a chain that nobody reaches."""
    with Ledger.open(home) as ledger:
        with ledger._database.reading() as session:
            root = Log(session, ledger.origin).root(4)
        block = Block(MAIN.contract, {(MAIN.ledger_id, 4): root}, number=70, time=1_800_000_000)
        config = ChainConfig(
            url="http://127.0.0.1:9", chain_id=1, contract=MAIN.contract, confirmations=12
        )
        ledger.chains.configure("main", config)
        policy = ledger.policy()
        ledger.folder.trust(replace(policy, chains=(*policy.chains, MAIN)))
        place = {"block": 70, "block_hash": block.hash, "block_time": 1_800_000_000, "nonce": 3}
        row = AnchorRow(chain="main", size=4, root=root, state="final", tx_hash=bytes(32), **place)
        proof = StateProofRow(
            chain="main", size=4, block_hash=block.hash, data=dump(block.prove(MAIN.ledger_id, 4))
        )
        with ledger._database.writing() as session:
            session.add(row)
            session.add(proof)
    return home


def test_a_chain_that_does_not_answer_is_undecided(anchored_elsewhere):
    found = fsck(anchored_elsewhere)
    assert found.verdict == "undecided"
    assert set(told(found)) == {"anchors"}
    assert found["anchors"].found == "4 anchors on 2 chains, 1 state proof"
    assert re.match("chain 'main': http://127.0.0.1:9 does not answer", told(found)["anchors"])


def test_a_proof_of_a_chains_state_is_checked_all_the_same(anchored_elsewhere):
    with Ledger.open(anchored_elsewhere) as ledger, ledger._database.writing() as session:
        row = session.get(StateProofRow, ("main", 4))
        row.data = row.data.replace(b'"storage":["', b'"storage":["AAAA', 1)
        session.add(row)  # sealed anew: only the proof can tell
    found = fsck(anchored_elsewhere)
    assert found.verdict == "damaged"
    (fault,) = found["anchors"].faults
    assert fault.what.startswith("the state proof of 4 entries on 'main': ")


def test_an_altered_proof_or_place_has_another_seal(anchored_elsewhere, database):
    database("UPDATE anchor SET block_time = block_time + 1 WHERE chain = 'main'")
    database("UPDATE state_proof SET block_hash = zeroblob(32)")
    whats = [fault.what for fault in fsck(anchored_elsewhere)["anchors"].faults]
    assert whats == [
        "the row 'main, 4' of the table anchor does not have its seal",
        "the row 'main, 4' of the table state_proof does not have its seal",
    ]


def test_the_url_of_a_chain_that_is_not_set(anchored_elsewhere):
    with Ledger.open(anchored_elsewhere) as ledger:
        config = ledger.chains.configured("main")
        ledger.chains.configure("main", ChainConfig(**{**vars(config), "url": "env:NOT_SET"}))
    assert "NOT_SET is to hold the URL" in told(fsck(anchored_elsewhere))["anchors"]


# --- files ----------------------------------------------------------------------------------------


def edited(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_settings_that_were_edited_are_asked_about(home, folder):
    edited(folder / "config.toml", "public = false", "public = true")
    found = fsck(home)
    assert found.verdict == "undecided"
    said = told(found)["settings"]
    assert "config.toml and config.toml.sha256 do not agree" in said
    command = said.partition(": cd ")[2]
    subprocess.run(["sh", "-c", f"cd {command}"], check=True)
    assert fsck(home).verdict == "whole", "the way out is one"
    (folder / "config.toml.sha256").unlink()
    found = fsck(home)
    assert found.verdict == "whole"
    assert found["settings"].notes == (
        "there is no config.toml.sha256: nothing would tell damage from an edit",
    )


def test_settings_that_do_not_parse(home, folder):
    (folder / "config.toml").write_text("origin = ")
    (folder / "policy.json").write_text("{")
    found = fsck(home)
    assert found.verdict == "damaged"
    assert "config.toml is not as it must be" in told(found)["settings"]
    assert "policy.json: " in told(found)["settings"]
    assert found.size == 12, "the rest is looked at all the same"


def test_settings_that_do_not_agree(home, folder):
    with Ledger.open(home) as ledger:
        policy, config = ledger.policy(), ledger.config

        def said(changed=None, **fields):
            ledger.folder.write_config(replace(config, **(changed or {})))
            ledger.folder.trust(replace(policy, **fields))
            return told(fsck(home)).get("settings", "")

        (pin,), other = policy.chains, PrivateKey.generate().public
        vkey = str(VerifierKey(ORIGIN, other))
        assert said() == ""
        assert "config.toml names the log 'b', policy.json 'acme.example/ml'" in said(
            {"origin": "b"}
        )
        assert "does not name the log's key" in said(log_keys=(vkey,))
        assert "does not name the admin key" in said(admin_keys=(other.to_pem(),))
        assert "pins another embedded chain" in said(chains=(replace(pin, chain_id=7),))
        assert "differ in what 'embedded' is" in said(chains=(replace(pin, embedded=False),))
        node = {"url": "http://a", "chain_id": 8, "contract": pin.contract, "confirmations": 1}
        chains = {"main": ChainConfig(**node)}
        pins = (replace(MAIN, name="main"),)
        assert "gives the chain main the chainId 8" in said({"chains": chains}, chains=pins)
        assert said({"chains": {}}) == ""
        notes = fsck(home)["settings"].notes
        assert notes == ("config.toml does not say where the chain 'embedded' is reached",)
        assert said({"chains": {**config.chains, **chains}}) == ""
        assert "pins no chain 'main'" in fsck(home)["settings"].notes[0]
        witnesses = {"w2": WitnessConfig(url="http://a", vkey=vkey)}
        assert said({"witnesses": witnesses}) == ""
        assert "does not count the witness 'w2'" in fsck(home)["settings"].notes[0]
        witnesses = {"w2": WitnessConfig(url="http://a", vkey="none")}
        assert "the witness 'w2': " in said({"witnesses": witnesses})


TREES = {
    "a leaf": lambda data: data[:32] + bytes(32) + data[64:],
    "a hash above": lambda data: data[:-32] + bytes(32),
    "cut": lambda data: data[:-32],
    "cut to a smaller tree": lambda data: data[:96],
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("how", TREES)
def test_damage_of_a_tree(home, folder, how):
    with Ledger.open(home) as ledger:
        digest = ledger.resolve("rows").digest
    path = folder / "trees" / digest
    path.write_bytes(TREES[how](path.read_bytes()))
    found = fsck(home)
    assert set(told(found)) == {"trees"}
    (fault,) = found["trees"].faults
    assert digest in fault.what
    assert "register the same data again" in fault.remedy


def test_damage_of_an_index_and_trees_of_nobody(home, folder):
    with Ledger.open(home) as ledger:
        digest = ledger.resolve("rows").digest
    index = folder / "trees" / f"{digest}.index"
    index.write_bytes(index.read_bytes()[:-1])
    (fault,) = fsck(home)["trees"].faults
    assert "page 0 of the index is damaged" in fault.what
    index.unlink()
    with TreeWriter(folder / "drafts") as writer:
        writer.extend(bytes(64))
        writer.finish()
        writer.keep(folder / "trees" / ("0" * 64))
    (folder / "trees/README").write_text("by hand")
    found = fsck(home)
    assert found.verdict == "whole"
    assert found["trees"].notes == (
        f"trees/{digest} has no index: one is built when a record is looked up",
        f"trees/{'0' * 64} is of no artifact in the log: a call that failed",
        "trees/README is none of the ledger's files",
    )


def test_trees_that_are_missing_are_undecided(home, folder):
    for path in (folder / "trees").iterdir():
        path.unlink()
    found = fsck(home)
    assert found.verdict == "undecided"
    assert len(found["trees"].doubts) == 5
    shutil.rmtree(folder / "trees")
    assert "trees cannot be read: No such file" in told(fsck(home))["trees"]


def test_keys(home, folder):
    keys = folder / "keys"
    (keys / "admin.pem").chmod(0o644)
    (keys / "signer.pem").write_text("no key")
    (keys / "log.pem").unlink()
    shutil.copy(keys / "second.pem", keys / "log.pem")
    (keys / "chain.pem").unlink()
    with Ledger.open(home) as ledger:
        ledger.keyring.new("third")
    whats = "\n".join(fault.what for fault in fsck(home)["keys"].faults)
    assert "keys/admin.pem: others than its owner may use" in whats
    assert "keys/signer.pem: " in whats
    assert "keys/log.pem is not the key of this log" in whats
    assert "keys/chain.pem: cannot read the key file" in whats
    (doubt,) = fsck(home)["keys"].doubts
    assert doubt.startswith("keys/third.pem is a key that the log does not know")
    (keys / "log.pem").unlink()
    assert "keys/log.pem is missing" in told(fsck(home))["keys"]
    shutil.rmtree(keys)
    keys.mkdir()
    assert fsck(home)["keys"].mark is Mark.NOT_DEMANDED


def test_keys_of_somebody_else(home, folder, tmp_path):
    with Ledger.init(tmp_path / "other", origin="other.example/x"):
        pass
    for name in ("admin", "signer", "chain"):
        shutil.copy(tmp_path / f"other/.provenance/keys/{name}.pem", folder / f"keys/{name}.pem")
    whats = [fault.what for fault in fsck(home)["keys"].faults]
    assert whats[:2] == [
        "keys/admin.pem is a key that the log does not know",
        "keys/signer.pem is a key that the log does not know",
    ]
    assert re.fullmatch("keys/chain.pem is the account 0x.* entry 0 does not name", whats[2])


def test_keys_with_a_passphrase(tmp_path, monkeypatch):
    with Ledger.init(tmp_path, origin="acme.example/ml", passphrase="correct horse"):
        pass
    found = fsck(tmp_path)
    assert found.verdict == "undecided"
    assert len(found["keys"].doubts) == 4
    assert fsck(tmp_path, passphrase="correct horse").verdict == "whole"
    assert fsck(tmp_path, passphrase="wrong").verdict == "damaged"
    monkeypatch.setenv("PROVENANCE_PASSPHRASE", "correct horse")
    assert fsck(tmp_path).verdict == "whole"


def test_what_waits_to_be_registered(home, folder):
    (spool,) = (folder / "spool").iterdir()
    data = spool.read_bytes()
    spool.write_bytes(data[:-1])  # killed while it wrote
    found = fsck(home)
    assert found.verdict == "whole"
    assert found["pending"].found == "2 outputs not registered yet, 0 uses not signed, 1 upload"
    spool.write_bytes(data[:-1] + b"\0")
    assert "its last output is torn by a crash" in told(fsck(home))["pending"]
    spool.write_bytes(data[:-41] + b"\0" + data[-40:])
    assert "its record 1 is damaged" in told(fsck(home))["pending"]
    spool.write_bytes(data.replace(b"answers", b"answerz"))
    assert "its header is damaged" in told(fsck(home))["pending"]
    spool.write_bytes(data.replace(b"\n", b"", 1)[:40])
    assert "it has no header" in told(fsck(home))["pending"]
    spool.unlink()
    spool.mkdir()
    assert "Is a directory" in told(fsck(home))["pending"]


def test_what_is_being_uploaded(home, folder):
    (upload,) = (folder / "uploads").iterdir()
    (upload / "leaves").write_bytes(bytes(96))
    assert "it has more leaf hashes than it claims" in told(fsck(home))["pending"]
    (upload / "artifact.json").write_text("{")
    assert f"uploads/{upload.name}: " in told(fsck(home))["pending"]


def test_a_database_that_is_none(home, folder):
    for content in (b"", b"SQLite format 3\0" + b"x" * 4080):
        (folder / "ledger.db").write_bytes(content)
        found = fsck(home)
        assert set(told(found)) == {"database"}
        assert found["log"].found == "not looked at"
    (folder / "ledger.db").unlink()
    assert "is missing" in told(fsck(home))["database"]


# --- while it is in use ---------------------------------------------------------------------------


def test_a_ledger_in_use_is_whole_at_every_moment(home):
    stop = threading.Event()

    def write():
        with Ledger.open(home) as ledger:
            number = 0
            while not stop.is_set():
                ledger.register([{"number": number}], name=f"rows {number}")
                ledger.anchor()
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [fsck(home) for _ in range(8)]
    finally:
        stop.set()
        writer.join()
    assert [told(each) for each in found] == [{}] * 8
    assert found[-1].size > found[0].size


def test_a_ledger_on_postgres(tmp_path, postgres):
    with Ledger.init(tmp_path, origin="acme.example/ml", database=postgres.database()) as ledger:
        ledger.register([{"a": 1}], name="rows")
        ledger.tokens.new("somebody")
        ledger.anchor()
        found = fsck(tmp_path)
        assert (found.verdict, told(found)) == ("whole", {})
        assert found["database"].mark is Mark.NOT_DEMANDED
        with ledger._database._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE mention SET kind = 7 WHERE entry = 2")
            connection.exec_driver_sql("UPDATE token SET scope = 'submit'")
        assert set(told(fsck(tmp_path))) == {"catalogue", "tokens"}
