"""A ledger and its witnesses, ours and another's, over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hand_made import ForeignWitness, Signer, cosigned_at
from serving_witness import free_port, serving

from provenance import InputError, Ledger, VerificationError, WitnessError, verify
from provenance.cli.chain import _event_json, _event_line
from provenance.ledger.config import Config
from provenance.ledger.rounds import Event, Rounds
from provenance.log import Checkpoint, check_proof
from provenance.merkle import leaf_hash
from provenance.signing import VerifierKey, open_note
from provenance.witness import Witness

ROWS = [{"id": number, "text": f"row {number}"} for number in range(9)]
NOBODY = "http://127.0.0.1:9"
SILENT = Signer("silent.example/w", 4).vkey


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    Ledger.init(folder, origin="acme.example/ml").close()
    return folder


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home"))


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger.open(home) as ledger:
        yield ledger


@pytest.fixture
def witness(tmp_path: Path, ledger: Ledger) -> Iterator[tuple[str, Witness]]:
    """A witness of ours that watches the ledger, and its URL."""
    with Witness.init(tmp_path / "w", name="witness.example/w1") as witness:
        witness.watch(*ledger.policy().log_keys)
        with serving(witness) as port:
            yield f"http://127.0.0.1:{port}", witness


@pytest.fixture
def foreign(ledger: Ledger) -> Iterator[ForeignWitness]:
    """Somebody else's witness that watches the ledger."""
    foreign = ForeignWitness(ledger.policy().log_keys[0])
    with foreign.serving() as foreign.url:
        yield foreign


def lines(note: str) -> list[str]:
    return note.partition("\n\n")[2].splitlines()


def names(note: str) -> list[str]:
    return [line.split(" ")[1] for line in lines(note)]


# --- from end to end ------------------------------------------------------------------------------


def test_confidential_data_verifies_with_a_witness_and_not_without(
    ledger: Ledger, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that rows can be guessed
        ledger.register(ROWS, name="patients", sensitivity="confidential")
    with Witness.init(tmp_path / "w", name="witness.example/w1") as witness:
        port = free_port()
        ledger.add_witness("w1", f"http://127.0.0.1:{port}", str(witness.vkey))
        witness.watch(*ledger.policy().log_keys)
        policy, chains = ledger.policy(), ledger.chains

        def judge() -> int:
            proof = ledger.prove("patients", record=ROWS[3])
            verify(proof, record=ROWS[3], policy=policy, chains=chains)
            return len(lines(proof.bundle.checkpoint))

        with pytest.warns(UserWarning, match=r"witness w1: witness.example/w1 .* not answer"):
            ledger.anchor()
        with pytest.raises(VerificationError, match="demands 1 of the 1 witnesses") as refused:
            judge()
        assert refused.value.step == "policy"

        with serving(witness, port):
            (answer,) = ledger.cosign()
        assert (answer.name, answer.reason) == ("w1", "")
        assert judge() == 2
        ledger.register(ROWS[:2], name="more")  # beyond what is cosigned
        ledger.checkpoint()
        assert judge() == 2


def test_the_service_asks_a_witness_until_it_cosigns(ledger: Ledger, tmp_path: Path) -> None:
    told: list[Event] = []
    rounds = Rounds(ledger, 60, tell=told.append)
    with Witness.init(tmp_path / "w", name="witness.example/w1") as witness:
        port = free_port()
        ledger.add_witness("w1", f"http://127.0.0.1:{port}", str(witness.vkey))
        witness.watch(*ledger.policy().log_keys)
        for _ in range(2):  # the chain has it all after the first
            rounds._round("embedded")
        silent = [event for event in told if event.what == "witness"]
        assert [event.witness for event in silent] == ["w1", "w1"]
        said = json.dumps(_event_json(silent[1]))
        assert all(part in said for part in ('"witness": "w1"', '"error": "witness.example/w1'))
        assert "witness w1: witness.example/w1" in _event_line(silent[1])
        told.clear()
        with serving(witness, port):
            rounds._round("embedded")
    assert len(lines(ledger.latest_checkpoint() or "")) == 2
    assert told == []
    assert not ledger.anchor_due("embedded")


def test_a_witness_of_ours_and_another_are_the_same(
    ledger: Ledger, witness: tuple[str, Witness], foreign: ForeignWitness
) -> None:
    ledger.add_witness("ours", witness[0], str(witness[1].vkey))
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    for number in range(3):
        ledger.register(ROWS[: 2 + number], name="rows")
        answers = ledger.cosign(need=2)
        note = ledger.latest_checkpoint()
        assert note is not None
        text = note.partition("\n\n")[0] + "\n"
        head = Checkpoint.parse(text)
        assert [answer.name for answer in answers] == ["ours", "theirs"]
        assert {answer.size for answer in answers} == {head.size, foreign.size}
        assert (witness[1].logs()[0].size, foreign.root) == (head.size, head.root)
        by_name = {line.split(" ")[1]: line + "\n" for line in lines(note)}
        for vkey in (str(witness[1].vkey), foreign.signer.vkey):
            at = cosigned_at(by_name[vkey.partition("+")[0]].encode(), vkey, text)
            assert abs(at - time.time()) < 60
        assert ledger.checkpoint() == note
    asked = len(foreign.asked)
    assert ledger.cosign(need=2) == answers, "who has cosigned is not asked again"
    assert len(foreign.asked) == asked
    first_old = [body.split(b"\n")[0] for body in foreign.asked]
    assert len(first_old) == 3, "it is asked from what it is known to have seen"


def test_k_of_n_are_enough_and_those_that_are_missing_are_asked_again(
    ledger: Ledger, foreign: ForeignWitness, tmp_path: Path
) -> None:
    with Witness.init(tmp_path / "w", name="witness.example/w1") as late:
        late.watch(*ledger.policy().log_keys)
        ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
        port = free_port()
        ledger.add_witness("late", f"http://127.0.0.1:{port}", str(late.vkey))
        answers = {answer.name: answer for answer in ledger.cosign(need=1)}
        assert answers["theirs"].time
        assert "does not answer" in answers["late"].reason
        with pytest.raises(WitnessError, match=r"1 of the 2 witnesses .* late: .*does not answer"):
            ledger.cosign(need=2, patience=0.1)
        assert names(ledger.checkpoint()) == [ledger.origin, foreign.signer.name]
        asked = len(foreign.asked)
        with serving(late, port):
            assert all(answer.time for answer in ledger.cosign(need=2))
        assert names(ledger.checkpoint())[1:] == [foreign.signer.name, late.vkey.name]
        assert len(foreign.asked) == asked, "who has cosigned is not asked again"
    with pytest.raises(InputError, match="witnesses needed: 3, known: 2"):
        ledger.cosign(need=3)


def test_what_was_answered_survives_a_crash(
    home: Path, ledger: Ledger, foreign: ForeignWitness
) -> None:
    """One witness has answered, another hangs, and the process is killed."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
        ledger.add_witness("hangs", f"http://127.0.0.1:{hanging.getsockname()[1]}", SILENT)
        ledger.checkpoint()
        ledger.close()
        child = os.fork()
        if child == 0:
            try:
                Ledger.open(home).cosign(need=2)
            finally:
                os._exit(1)
        until = time.monotonic() + 20
        with Ledger.open(home) as watching:
            while names(watching.checkpoint()) == [watching.origin]:
                assert time.monotonic() < until
                time.sleep(0.02)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    with Ledger.open(home) as again:
        assert names(again.checkpoint()) == [again.origin, foreign.signer.name]
        assert again.cosign(need=1, patience=0)[0].time


# --- anchors and proofs ---------------------------------------------------------------------------


def test_an_anchor_has_its_checkpoint_cosigned_first(
    ledger: Ledger, foreign: ForeignWitness
) -> None:
    ledger.register(ROWS, name="rows")
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    (anchor,) = ledger.anchor()
    assert foreign.size == anchor.size
    proof = ledger.prove("rows")
    assert names(proof.bundle.checkpoint) == [ledger.origin, foreign.signer.name]


def test_a_silent_witness_does_not_stop_an_anchor(ledger: Ledger) -> None:
    ledger.register(ROWS, name="rows")
    ledger.add_witness("silent", NOBODY, SILENT)
    with pytest.warns(UserWarning, match="witness silent: .* does not answer") as warned:
        (anchor,) = ledger.anchor()
    assert warned[0].filename == __file__, "of the line that anchors"
    assert anchor.size == ledger.status().size


def test_a_proof_takes_the_newest_checkpoint_that_satisfies_its_level(
    ledger: Ledger, foreign: ForeignWitness
) -> None:
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ledger.register(ROWS, name="secret", sensitivity="confidential")
    ledger.register(ROWS[:3], name="open", sensitivity="public")

    def size_of(name: str) -> int:
        return Checkpoint.of_note(ledger.prove(name).bundle.checkpoint).size

    newest = ledger.status().size
    assert size_of("secret") == size_of("open") == newest  # nothing is cosigned: the newest
    ledger.cosign()
    ledger.register(ROWS[:4], name="later")
    assert (size_of("secret"), size_of("open")) == (newest, newest + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ledger.register(ROWS[:5], name="young", sensitivity="confidential")
    assert size_of("young") == newest + 2  # not covered by what is cosigned
    ledger.cosign()
    assert size_of("secret") == size_of("young") == newest + 2


def test_a_proof_hides_no_revocation_behind_an_older_cosigned_checkpoint(
    ledger: Ledger, foreign: ForeignWitness
) -> None:
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("secret", "other"):
            ledger.register([*ROWS, {"in": name}], name=name, sensitivity="confidential")
    ledger.cosign()

    def judged(name: str) -> str:
        try:
            verify(ledger.prove(name), policy=ledger.policy(), chains=ledger.chains)
        except VerificationError as error:
            return error.step
        return "verified"

    ledger.anchor()
    covered = ledger.status().size
    ledger.supersede("other", reason="wrong rows")
    assert [judged("secret"), judged("other")] == ["verified", "policy"]
    ledger.cosign()
    assert judged("other") == "verified"  # with a warning, which the older checkpoint had not
    assert Checkpoint.of_note(ledger.prove("other").bundle.checkpoint).size == covered + 1
    since = datetime(2020, 1, 1, tzinfo=UTC)
    ledger.revoke_key("signer", reason="stolen", compromised_since=since)
    assert judged("secret") == "standing"


def test_lines_that_no_verdict_rests_on_are_not_in_proofs(
    ledger: Ledger, foreign: ForeignWitness, home: Path
) -> None:
    ledger.register(ROWS, name="rows")
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    ledger.cosign()
    policy = home / ".provenance" / "policy.json"
    policy.write_text(policy.read_text().replace(f'"{foreign.signer.vkey}"', ""))
    assert names(ledger.checkpoint()) == [ledger.origin, foreign.signer.name]
    assert names(ledger.prove("rows").bundle.checkpoint) == [ledger.origin]
    assert names(ledger.prove_entry("rows").checkpoint.decode()) == [ledger.origin]


def test_the_proof_of_an_entry(ledger: Ledger, foreign: ForeignWitness) -> None:
    registered = ledger.register(ROWS, name="rows", sensitivity="internal")
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    ledger.cosign()
    proof = ledger.prove_entry("rows")
    entries = [entry for entry, _ in ledger.every_entry(ledger.status().size)]
    policy = ledger.policy()
    checkpoint = check_proof(
        proof,
        leaf_hash=leaf_hash(entries[registered.index]),
        origin=ledger.origin,
        log_keys=policy.log_verifiers,
        witnesses=policy.witness_verifiers,
        need=1,
    )
    assert (proof.index, checkpoint.size) == (registered.index, len(entries))


# --- bad ends -------------------------------------------------------------------------------------


def test_a_ledger_brought_back_from_an_old_copy_is_told(
    ledger: Ledger, home: Path, foreign: ForeignWitness, tmp_path: Path
) -> None:
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    old = shutil.copytree(home, tmp_path / "old")
    ledger.register(ROWS, name="rows")
    ledger.cosign()
    with Ledger.open(old) as restored:
        with pytest.raises(WitnessError, match="has cosigned 3 entries already"):
            restored.cosign()
        restored.register(ROWS[:2], name="other")
        with pytest.raises(WitnessError, match="another tree of 3 entries"):
            restored.cosign()
        restored.register(ROWS[:3], name="other")
        with pytest.raises(WitnessError, match="HTTP 422"):
            restored.cosign()
        assert names(restored.checkpoint()) == [restored.origin]


def test_a_witness_that_signs_something_else_does_not_count(
    ledger: Ledger, foreign: ForeignWitness
) -> None:
    ledger.add_witness("theirs", foreign.url, foreign.signer.vkey)
    good: Callable[[str, int], str] = foreign.signer.cosign
    foreign.signer.cosign = lambda text, at: good(text.replace("\n2\n", "\n3\n"), at)  # type: ignore[method-assign]
    with pytest.raises(WitnessError, match="answers no cosignature"):
        ledger.cosign()
    foreign.signer.cosign = lambda text, at: good(text, at + 9999)  # type: ignore[method-assign]
    with pytest.raises(WitnessError, match="one of the two clocks is wrong"):
        ledger.cosign()
    assert names(ledger.checkpoint()) == [ledger.origin]


# --- which witnesses ------------------------------------------------------------------------------


def test_a_witness_is_known_to_config_and_policy(ledger: Ledger, home: Path) -> None:
    other = Signer("other.example/w", 4).vkey
    before = ledger.policy()
    ledger.add_witness("silent", NOBODY, SILENT)
    ledger.add_witness("other", "https://other.example/prefix", other)
    assert ledger.policy().witnesses == (*before.witnesses, SILENT, other)
    config = Config.read(home / ".provenance" / "config.toml")
    assert config.to_toml() == (home / ".provenance" / "config.toml").read_text()
    assert config.chains == ledger.config.chains
    with Ledger.open(home) as again:
        assert {name: witness.url for name, witness in again.witnesses().items()} == {
            "silent": NOBODY,
            "other": "https://other.example/prefix",
        }
    open_note(ledger.checkpoint().encode(), [VerifierKey.parse(before.log_keys[0])])


def test_one_witness_under_two_names_counts_once(
    ledger: Ledger, foreign: ForeignWitness, home: Path
) -> None:
    ledger.add_witness("one", foreign.url, foreign.signer.vkey)
    renamed = str(VerifierKey("renamed.example/w", VerifierKey.parse(foreign.signer.vkey).key, 4))
    for vkey in (foreign.signer.vkey, renamed):
        with pytest.raises(InputError, match="the key of the witness 'one': one counts once"):
            ledger.add_witness("two", foreign.url, vkey)
    assert ledger.policy().witnesses == (foreign.signer.vkey,)
    config = home / ".provenance" / "config.toml"
    whole = config.read_text()
    config.write_text(whole + whole[whole.index("[witnesses.") :].replace("one", "two", 1))
    with Ledger.open(home) as again:
        assert list(again.witnesses()) == ["one", "two"]
        with pytest.raises(WitnessError, match="1 of the 2 witnesses needed have cosigned"):
            again.cosign(need=2, patience=0)


def test_adding_a_witness_again_finishes_what_a_crash_left(ledger: Ledger, home: Path) -> None:
    policy = home / ".provenance" / "policy.json"
    before = policy.read_text()
    ledger.add_witness("silent", NOBODY, SILENT)
    policy.write_text(before)
    ledger.add_witness("silent", NOBODY, SILENT)
    assert ledger.policy().witnesses == (SILENT,)
    with pytest.raises(InputError, match="another witness is called 'silent'"):
        ledger.add_witness("silent", "http://other.example", SILENT)


@pytest.mark.parametrize(
    ("name", "url", "vkey", "said"),
    [
        ("two words", NOBODY, SILENT, "cannot name a witness"),
        ("w", "ftp://w.example", SILENT, "the URL of a witness"),
        ("w", NOBODY, Signer("log.example", 1).vkey, "of a log, not of a witness"),
        ("w", NOBODY, "w.example", "vkey"),
    ],
    ids=["name", "url", "log's key", "no key"],
)
def test_what_cannot_be_a_witness(
    ledger: Ledger, home: Path, name: str, url: str, vkey: str, said: str
) -> None:
    before = (home / ".provenance" / "config.toml").read_text()
    with pytest.raises(InputError, match=said):
        ledger.add_witness(name, url, vkey)
    assert (home / ".provenance" / "config.toml").read_text() == before


def test_without_witnesses_none_can_be_asked(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="witnesses needed: 1, known: 0"):
        ledger.cosign()
    assert ledger.cosign(need=0) == []
    with ExitStack() as stack:  # and an anchor asks nobody
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        ledger.anchor()
