"""`Ledger.anchor`: one history per contract, whatever runs at once or broke off before."""

import shutil
from contextlib import contextmanager

import pytest

import provenance
from provenance import ChainError, InputError, Ledger, UndecidedError, verify
from provenance.anchoring import latest_head
from provenance.anchoring.embedded import EmbeddedChain
from provenance.ledger.sending import Sender
from provenance.log import Checkpoint
from provenance.log.store import EnvelopeRow

ROWS = [{"id": number} for number in range(3)]


def blocks(ledger):
    with EmbeddedChain.open(ledger.folder.path / "chain.db") as chain:
        return chain.head()


def head(ledger):
    (pin,) = ledger.policy().chains
    with EmbeddedChain.open(ledger.folder.path / "chain.db") as chain:
        return latest_head(chain, pin.contract, pin.ledger_id)


def test_a_head_is_sent_once(ledger):
    assert ledger.anchors() == []
    (first,) = ledger.anchor()
    height = blocks(ledger)
    assert ledger.anchor() == [first] == ledger.anchor("embedded")
    assert (blocks(ledger), first.block, first.size) == (height, height, 2)
    assert first.embedded
    assert first.root == Checkpoint.of_note(ledger.latest_checkpoint()).root
    ledger.register(ROWS, name="rows")
    (second,) = ledger.anchor()
    assert ledger.anchors() == [first, second]
    assert (second.size, second.block) == (3, first.block + 1)
    assert second.block_time > first.block_time
    (chain,) = ledger.status().chains
    assert (chain.size, chain.block, chain.block_time) == (3, second.block, second.block_time)


def test_the_three_states_of_an_entry(ledger):
    ledger.anchor()
    ledger.register(ROWS, name="rows")
    ledger.checkpoint()
    ledger.register(ROWS, name="again")
    states = [line.state for line in ledger.entries()]
    assert states == ["anchored", "anchored", "checkpointed", "logged"]
    assert ledger.status().checkpoint_size == 3


def test_an_erased_envelope_leaves_its_place(ledger):
    rows = ledger.register(ROWS, name="rows")
    ledger.register(ROWS, name="kept")
    with ledger._database.writing() as session:
        session.delete(session.get(EnvelopeRow, rows.index))
    erased = ledger.entries()[rows.index]
    assert (erased.kind, erased.subjects, erased.issued) == ("dataset", (), "")
    with pytest.raises(provenance.LedgerError, match="the envelope of entry 2 was erased"):
        ledger.prove(rows)
    ledger.anchor()
    assert ledger.prove("kept")


def test_an_unknown_chain_is_named_before_anything_is_sent(ledger):
    with pytest.raises(InputError, match="pins no chain 'mainnet'; it pins embedded"):
        ledger.anchor("embedded", "mainnet")
    assert ledger.latest_checkpoint() is None


TWO_ANCHOR = """
import os, provenance, provenance.ledger.ledger, provenance.anchoring.embedded
for own in "ab":
    if os.fork() == 0:
        with provenance.Ledger.open() as ledger:
            for number in range(4):
                ledger.register([{"own": own, "n": number}], name="own")
                (anchor,) = ledger.anchor()
                assert anchor.size >= number + 3
                os.write(1, f"{anchor.size}\\n".encode())
        os._exit(0)
for _ in range(2):
    assert os.wait()[1] == 0
"""


def test_two_processes_anchor_at_once(ledger, run):
    sizes = {int(size) for size in run(TWO_ANCHOR).split()}
    assert sizes == {anchor.size for anchor in ledger.anchors()}
    assert head(ledger).size == max(sizes) == ledger.status().size
    for artifact in ledger.artifacts():
        assert verify(ledger.prove(artifact), policy=ledger.policy(), chains=ledger.chains)


def test_a_checkpoint_that_another_process_overtook_is_not_sent(ledger, monkeypatch):
    older = ledger.checkpoint()
    ledger.register(ROWS, name="rows")
    (newer,) = ledger.anchor()
    height = blocks(ledger)
    monkeypatch.setattr(ledger, "checkpoint", lambda: older)
    assert ledger.anchor() == [newer]
    assert blocks(ledger) == height


class PowerCutError(Exception):
    pass


@pytest.fixture
def power_cut(monkeypatch):
    """Let the power go where an anchor of this state is about to be written down."""

    @contextmanager
    def cut(state):
        write_down = Sender._write_down

        def cutting(self, anchor):
            if anchor.state == state:
                raise PowerCutError
            write_down(self, anchor)

        with monkeypatch.context() as broken:
            broken.setattr(Sender, "_write_down", cutting)
            with pytest.raises(PowerCutError):
                yield

    return cut


def test_a_crash_before_anything_is_written_sends_nothing(ledger, power_cut):
    with power_cut("submitted"):
        ledger.anchor()
    assert ledger.anchors() == []
    assert head(ledger) is None


def test_a_crash_between_mined_and_written_down(ledger, power_cut):
    """The next call finds the head in the contract; no second block."""
    ledger.register(ROWS, name="rows")
    with power_cut("final"):
        ledger.anchor()
    (sent,) = ledger.anchors()
    height, mined = blocks(ledger), head(ledger)
    assert mined.size == 3, "it was not mined: this test shows nothing"
    assert (sent.state, sent.size, sent.block, sent.block_time) == ("submitted", 3, None, None)
    assert [line.state for line in ledger.entries()] == ["checkpointed"] * 3
    assert not ledger.prove("rows").bundle.anchors
    (chain,) = ledger.status().chains
    assert (chain.size, chain.state, chain.sent) == (0, None, 3)
    (found,) = ledger.anchor()
    assert (found.size, found.root, found.block) == (mined.size, mined.root, height)
    assert (found.tx_hash, found.state) == (sent.tx_hash, "final")
    assert blocks(ledger) == height
    assert ledger.anchors() == [found]

    # And where the log went on before the next call.
    ledger.register(ROWS, name="more")
    with power_cut("final"):
        ledger.anchor()
    last = ledger.register(ROWS, name="yet more")
    ledger.anchor()
    assert [(anchor.size, anchor.state) for anchor in ledger.anchors()] == [
        (3, "final"),
        (4, "final"),
        (5, "final"),
    ]
    assert verify(ledger.prove(last), policy=ledger.policy(), chains=ledger.chains)


@pytest.mark.parametrize("longer", [False, True])
def test_a_contract_ahead_of_a_restored_log(ledger, home, tmp_path, longer):
    ledger.close()
    old = tmp_path / "old.db"
    shutil.copy(ledger.folder.database, old)
    with Ledger.open(home) as newer:
        newer.register(ROWS, name="rows")
        newer.anchor()
    shutil.copy(old, ledger.folder.database)
    with Ledger.open(home) as restored:
        for number in range(3 if longer else 0):
            restored.register(ROWS, name=f"other {number}")
        before = blocks(restored)
        with pytest.raises(ChainError, match=r"head of 3 entries that this log of \d does not"):
            restored.anchor()
        with pytest.raises(ChainError, match="bring the newest copy back, or make a new ledger"):
            restored.anchor()
        assert blocks(restored) == before


@pytest.mark.parametrize("content", [None, b"", b"not a database" * 100])
def test_a_missing_or_damaged_chain_is_named_and_undecided(ledger, home, content, monkeypatch):
    rows = ledger.register(ROWS, name="rows")
    ledger.anchor()
    proof = ledger.prove(rows)
    ledger.close()
    path = ledger.folder.path / "chain.db"
    for file in path.parent.glob("chain.db*"):
        file.unlink()
    if content is not None:
        path.write_bytes(content)
    with Ledger.open(home) as damaged:
        with pytest.raises(ChainError, match=str(path)):
            damaged.anchor()
        monkeypatch.chdir(home)
        with pytest.raises(UndecidedError) as failure:
            verify(proof)
        assert str(path) in failure.value.report["anchor"].finding
        damaged.register(ROWS, name="works without it")
