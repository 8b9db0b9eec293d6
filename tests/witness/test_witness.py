"""`Witness`: every verdict of C2SP tlog-witness, and one history whatever happens to it.

Logs, proofs and requests are made by hand, and cosignatures checked so.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hand_made import Log, Signer, b64, cosigned_at, tree

from provenance.errors import InputError, MalformedError, WitnessError
from provenance.witness import RefusedError, Witness

NAME = "witness.example/w1"


class Clock:
    now = 1_700_000_000

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def witness(tmp_path: Path, clock: Clock) -> Iterator[Witness]:
    with Witness.init(tmp_path / "w", name=NAME, clock=clock) as made:
        yield made


@pytest.fixture
def log(witness: Witness) -> Log:
    log = Log()
    witness.watch(log.signer.vkey)
    return log


def refusal(witness: Witness, body: bytes, status: int, size: int | None = None) -> str:
    before = witness.logs()
    with pytest.raises(RefusedError) as refused:
        witness.add_checkpoint(body)
    assert (refused.value.status, refused.value.size) == (status, size), str(refused.value)
    assert witness.logs() == before
    return str(refused.value)


# --- what it cosigns ------------------------------------------------------------------------------


def test_it_follows_a_log_from_any_size_to_any(witness: Witness, log: Log, clock: Clock) -> None:
    old = 0
    for size in (0, 1, 1, 2, 5, 8, 8, 21, 32, 33, 40):
        clock.now += 5
        line = witness.add_checkpoint(log.body(old, size))
        assert cosigned_at(line, str(witness.vkey), log.text(size)) == clock.now
        (seen,) = witness.logs()
        assert (seen.origin, seen.keys) == (log.origin, (log.signer.vkey,))
        assert (seen.size, seen.root, seen.time) == (size, tree(log.leaves[:size]), clock.now)
        old = size


def test_every_pair_of_sizes(tmp_path: Path, clock: Clock) -> None:
    whole = Log(size=4)
    for old in range(5):
        for size in range(old, 5):
            with Witness.init(tmp_path / f"{old}-{size}", name=NAME, clock=clock) as witness:
                witness.watch(whole.signer.vkey)
                witness.add_checkpoint(whole.body(0, old))
                line = witness.add_checkpoint(whole.body(old, size))
                cosigned_at(line, str(witness.vkey), whole.text(size))


def test_it_signs_extension_lines_and_passes_over_strangers(witness: Witness, log: Log) -> None:
    text = log.text(3) + "extension 1\nanother\n"
    stranger = Signer("stranger.example", 1).sign(text)
    namesake = Signer(log.origin, 1).sign(text)
    post_quantum = f"— {log.origin} {b64(bytes(2424))}\n"
    lines = stranger + namesake + post_quantum + log.signer.sign(text)
    line = witness.add_checkpoint(f"old 0\n\n{text}\n{lines}".encode())
    cosigned_at(line, str(witness.vkey), text)
    stored = witness.checkpoint(sha256(log.origin.encode()).hexdigest())
    assert stored == f"{text}\n{log.signer.sign(text)}".encode() + line


def test_a_log_may_have_several_keys_and_a_key_of_another_name(
    witness: Witness, log: Log, clock: Clock
) -> None:
    new = Signer(log.origin, 1)
    other = Signer("keys.example/7", 1)
    witness.watch(new.vkey)
    witness.watch(other.vkey, origin=log.origin)
    for size, signer in ((1, log.signer), (2, new), (3, other)):
        log.signer = signer
        witness.add_checkpoint(log.body(size - 1, size))
    (seen,) = witness.logs()
    assert len(seen.keys) == 3


def test_logs_do_not_touch_each_other(witness: Witness, log: Log) -> None:
    other = Log("log.example/2")
    witness.watch(other.signer.vkey, log.signer.vkey)
    witness.add_checkpoint(log.body(0, 5))
    refusal(witness, other.body(5, 6), 409, 0)
    witness.add_checkpoint(other.body(0, 6))
    assert [(seen.origin, seen.size) for seen in witness.logs()] == [
        (log.origin, 5),
        (other.origin, 6),
    ]


def test_it_keeps_its_word_over_a_restart(witness: Witness, log: Log, clock: Clock) -> None:
    witness.add_checkpoint(log.body(0, 5))
    vkey = witness.vkey
    witness.close()
    with Witness.open(witness.folder, clock=clock) as again:
        assert again.vkey == vkey
        refusal(again, log.body(0, 7), 409, 5)
        cosigned_at(again.add_checkpoint(log.body(5, 7)), str(vkey), log.text(7))


# --- what it refuses ------------------------------------------------------------------------------


def test_400_malformed(witness: Witness, log: Log) -> None:
    whole = log.body(3, 9)
    note = log.note(9)
    good = b64(bytes(32))
    for body in (
        b"",
        b"old 3\n",
        whole.replace(b"old 3", b"old 03"),
        whole.replace(b"old 3", b"old -3"),
        whole.replace(b"old 3", b"old  3"),
        whole.replace(b"old 3", b"Old 3"),
        whole.replace(b"old 3", b"old 3 "),
        whole.replace(b"old 3\n", b"old 3\r\n"),
        whole.replace(b"old 3", b"old 99999999999999999999"),
        whole.replace(b"old 3", b"old 9007199254740992"),
        whole.replace(b"old 3", "old ³".encode()),
        b"\n" + whole,
        f"old 0\n{good[:-1]}\n\n{note}".encode(),
        f"old 0\n{good} \n\n{note}".encode(),
        f"old 0\n{b64(bytes(31))}\n\n{note}".encode(),
        f"old 0\n{good}\r\n\n{note}".encode(),
        f"old 0\n{good[:-2]}B=\n\n{note}".encode(),
        f"old 3\n{(good + chr(10)) * 64}\n{note}".encode(),
        f"old 0\n\n{log.text(9)}".encode(),
        f"old 0\n\n{log.text(9)}\n".encode(),
        f"old 0\n\n{note[:-1]}".encode(),
        f"old 0\n\n{note}\n".encode(),
        f"old 0\n\n{note}".encode().replace(b"\n9\n", b"\n09\n"),
        f"old 0\n\n{note}".encode().replace(b"\n9\n", b"\n9007199254740992\n"),
        f"old 0\n\n{note}".encode() + b"\xff",
        f"old 0\n\n\xff{note}".encode("latin-1", "replace"),
        b"old 0\n\n" + b"x" * (1 << 20),
    ):
        refusal(witness, body, 400)


def test_400_the_old_size_is_beyond_the_checkpoint(witness: Witness, log: Log) -> None:
    witness.add_checkpoint(log.body(0, 8))
    refusal(witness, log.body(0, 5).replace(b"old 0", b"old 8"), 400)
    refusal(witness, log.body(0, 5).replace(b"old 0", b"old 6"), 400)


def test_400_an_empty_line_in_the_text(witness: Witness, log: Log) -> None:
    text = log.text(3) + "\nmore\n"
    refusal(witness, f"old 0\n\n{text}\n{log.signer.sign(text)}".encode(), 400)


def test_403_no_valid_signature_by_a_trusted_key(witness: Witness, log: Log) -> None:
    text = log.text(3)
    by_stranger = Signer(log.origin, 1).sign(text)
    of_another = log.signer.sign(log.text(4))
    as_witness = log.signer.cosign(text, 1)
    for lines in (by_stranger, of_another, as_witness, by_stranger + of_another):
        refusal(witness, f"old 0\n\n{text}\n{lines}".encode(), 403)
    refusal(witness, log.body(0, 3).replace(b"\n3\n", b"\n4\n"), 403)


def test_404_a_log_that_is_not_watched(witness: Witness, log: Log) -> None:
    refusal(witness, Log("log.example/2").body(0, 3), 404)
    refusal(witness, log.body(0, 3).replace(b"log.example/1", b"log.example/3"), 404)


def test_409_another_size_is_told(witness: Witness, log: Log) -> None:
    refusal(witness, log.body(2, 3), 409, 0)
    witness.add_checkpoint(log.body(0, 8))
    for old, size in ((0, 8), (0, 9), (7, 9), (9, 10), (1, 2)):
        refusal(witness, log.body(old, size), 409, 8)


def test_409_another_root_at_the_same_size(witness: Witness, log: Log) -> None:
    witness.add_checkpoint(log.body(0, 8))
    log.leaves[3] = b"rewritten"
    refusal(witness, log.body(0, 8), 409, 8)
    with pytest.raises(RefusedError, match="another root was cosigned for 8 entries") as refused:
        witness.add_checkpoint(log.body(8, 8))
    assert (refused.value.status, refused.value.size) == (409, None)


def test_two_histories_are_kept_with_the_signatures_of_the_log(witness: Witness, log: Log) -> None:
    line = witness.add_checkpoint(log.body(0, 8))
    cosigned = log.note(8) + line.decode()
    fork = Log(log.origin)
    fork.leaves[3], fork.signer = b"rewritten", log.signer
    extended = fork.text(8) + "x" * 9000 + "\n"
    foreign = Signer("stranger.example", 1).sign(extended)
    signed = log.signer.sign(extended)
    with pytest.raises(RefusedError):
        witness.add_checkpoint(f"old 8\n\n{extended}\n{foreign}{signed}".encode())
    kept = (cosigned, f"{extended}\n{signed}")
    assert witness.logs()[0].contradiction == kept
    fork.leaves[4] = b"a third history"
    refusal(witness, fork.body(8, 8), 409)
    witness.add_checkpoint(log.body(8, 9))  # the one history goes on
    with Witness.open(witness.folder) as again:
        (seen,) = again.logs()
    assert (seen.size, seen.contradiction) == (9, kept)


def test_422_a_proof_that_does_not_hold(witness: Witness, log: Log) -> None:
    good = log.body(6, 13)
    witness.add_checkpoint(log.body(0, 6))
    hashes = good.split(b"\n\n")[0].split(b"\n")[1:]
    assert len(hashes) > 1
    note = log.note(13).encode()
    for proof in ([], hashes[:-1], hashes[::-1], [*hashes, hashes[0]], [hashes[0], *hashes]):
        body = b"old 6\n" + b"".join(line + b"\n" for line in proof) + b"\n" + note
        refusal(witness, body, 422)
    same = b"old 6\n" + hashes[0] + b"\n\n" + log.note(6).encode()
    refusal(witness, same, 422)
    log.leaves[3] = b"rewritten"
    refusal(witness, log.body(6, 13), 422)


def test_422_a_proof_from_nothing_has_no_hashes(witness: Witness, log: Log) -> None:
    head, _, note = log.body(0, 8).partition(b"\n\n")
    refusal(witness, b"%s\n%s\n\n%s" % (head, b64(bytes(32)).encode(), note), 422)


def test_422_a_tree_of_nothing_has_one_root(witness: Witness, log: Log) -> None:
    text = f"{log.origin}\n0\n{b64(bytes(32))}\n"
    refusal(witness, f"old 0\n\n{text}\n{log.signer.sign(text)}".encode(), 422)


def test_no_bit_of_a_request_can_change(witness: Witness, log: Log) -> None:
    witness.add_checkpoint(log.body(0, 6))
    body = log.body(6, 11)
    for at in range(len(body)):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        with pytest.raises(RefusedError):
            witness.add_checkpoint(changed)
    witness.add_checkpoint(body)


# --- the clock ------------------------------------------------------------------------------------


def test_times_never_go_back(witness: Witness, log: Log, clock: Clock) -> None:
    start = clock.now
    for size, step in enumerate((0, 7, -3600, 3600, -(2**31), 0, 2**31 + 9), start=1):
        clock.now += step
        line = witness.add_checkpoint(log.body(size - 1, size))
        at = cosigned_at(line, str(witness.vkey), log.text(size))
        (seen,) = witness.logs()
        assert seen.time == at >= start
        if size in (3, 5):  # it went back: the last time is said again
            assert at == start + 7
    assert at == clock.now


# --- all at once, and killed ----------------------------------------------------------------------


def test_of_ten_who_ask_at_once_for_other_histories_one_is_served(
    witness: Witness, log: Log
) -> None:
    witness.add_checkpoint(log.body(0, 5))
    forks = []
    for number in range(10):
        fork = Log(log.origin)
        fork.signer = log.signer
        fork.leaves[7] = f"fork {number}".encode()
        forks.append(fork)
    answers: list[bytes | int] = []
    start = threading.Barrier(len(forks))
    again = [Witness.open(witness.folder) for _ in range(3)]

    def ask(number: int) -> None:
        start.wait()
        try:
            answers.append([witness, *again][number % 4].add_checkpoint(forks[number].body(5, 9)))
        except RefusedError as error:
            answers.append(error.status)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in again:
        other.close()
    assert sorted(map(str, answers))[:-1] == ["409"] * 9
    assert witness.logs()[0].size == 9


def ask_for_ever(folder: Path, requests: Path, told: Path) -> int:
    """In a process of its own: ask in turn, and write down each answer. Return its id."""
    if child := os.fork():
        return child
    try:
        output = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with Witness.open(folder) as witness:
            while True:
                for path in sorted(requests.iterdir()):
                    try:
                        line = witness.add_checkpoint(path.read_bytes())
                    except RefusedError:
                        continue  # 409: not at this size; 422: the other history
                    os.write(output, path.name.encode() + b" " + line)
    finally:
        os._exit(1)


def test_killed_at_any_moment_it_never_cosigns_two_histories(
    witness: Witness, log: Log, tmp_path: Path
) -> None:
    """`kill -9`, again and again, with three processes at it; all that was said is compared.

    Of each step there are two, of histories that part at the first leaf, so that one slip shows.
    """
    fork = Log(log.origin)
    fork.signer = log.signer
    fork.leaves = [leaf + b" forked" for leaf in log.leaves]
    requests = tmp_path / "requests"
    requests.mkdir()
    for old in range(40):
        for name, history in (("a", log), ("b", fork)):
            (requests / f"{old:02}-{name}").write_bytes(history.body(old, old + 1))
    witness.close()
    said: set[tuple[int, str]] = set()
    sizes = []
    for round_ in range(12):
        running = [ask_for_ever(witness.folder, requests, tmp_path / "told") for _ in range(3)]
        threading.Event().wait(0.02 * (1 + round_))
        for process in running:
            os.kill(process, signal.SIGKILL)
            assert os.waitpid(process, 0)[1] == signal.SIGKILL
        if (tmp_path / "told").exists():
            for line in (tmp_path / "told").read_text().splitlines():
                match = re.fullmatch(r"(\d\d)-([ab]) — \S+ \S{104}", line)
                assert match, line
                said.add((int(match[1]) + 1, match[2]))
        with Witness.open(witness.folder) as again:
            sizes.append(again.logs()[0].size or 0)
        assert sizes[-1] >= max((size for size, _ in said), default=0), "what was said is forgotten"
        if sizes[-1] == 40:
            break
    assert len({history for _, history in said}) == 1, sorted(said)
    assert len(set(sizes) - {0, 40}) > 0, f"no process was killed at work: {sizes}"


# --- making and opening one -----------------------------------------------------------------------


def test_a_new_witness(witness: Witness) -> None:
    assert str(witness.vkey).startswith(f"{NAME}+")
    assert sorted(path.name for path in witness.folder.iterdir() if "-" not in path.name) == [
        "key.pem",
        "witness.db",
    ]
    assert stat.S_IMODE((witness.folder / "key.pem").stat().st_mode) == 0o600
    assert not list(witness.folder.parent.glob(".w.*"))
    assert witness.logs() == []
    assert witness.checkpoint("00" * 32) is None


def test_a_witness_is_never_made_anew(witness: Witness) -> None:
    key = (witness.folder / "key.pem").read_bytes()
    with pytest.raises(WitnessError, match="Directory not empty"):
        Witness.init(witness.folder, name=NAME)
    assert (witness.folder / "key.pem").read_bytes() == key


def test_what_is_no_witness_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(WitnessError, match="there is no witness in"):
        Witness.open(tmp_path)
    (tmp_path / "witness.db").write_bytes(b"no database, only words " * 50)
    with pytest.raises(WitnessError, match="cannot be used: file is not a database"):
        Witness.open(tmp_path)
    with pytest.raises(MalformedError, match="cannot name a key"):
        Witness.init(tmp_path / "new", name="two words")
    assert not (tmp_path / "new").exists()


def test_its_key_may_have_a_passphrase(tmp_path: Path) -> None:
    log = Log()
    with Witness.init(tmp_path / "w", name=NAME, passphrase="secret") as witness:
        witness.watch(log.signer.vkey)
        witness.add_checkpoint(log.body(0, 1))
    for passphrase in (None, "wrong"):
        with Witness.open(tmp_path / "w", passphrase=passphrase) as witness:
            assert witness.logs()[0].size == 1
            with pytest.raises(InputError, match="passphrase"):
                witness.add_checkpoint(log.body(1, 2))
            assert witness.logs()[0].size == 1


def test_another_key_is_not_taken_for_its_own(tmp_path: Path, witness: Witness, log: Log) -> None:
    Witness.init(tmp_path / "other", name=NAME).close()
    (tmp_path / "other" / "key.pem").replace(witness.folder / "key.pem")
    with pytest.raises(InputError, match="is not the key of the witness"):
        witness.add_checkpoint(log.body(0, 1))


def test_only_keys_of_logs_are_watched(witness: Witness) -> None:
    with pytest.raises(InputError, match="of a witness, not of a log"):
        witness.watch(Signer("w.example", 4).vkey)
    with pytest.raises(MalformedError):
        witness.watch("log.example/1")
    assert witness.logs() == []


def test_a_database_that_cannot_be_written_leaves_no_cosignature(
    witness: Witness, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.witness.witness.BUSY_SECONDS", 0.05)
    with Witness.open(witness.folder) as impatient:
        other = sqlite3.connect(witness.folder / "witness.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WitnessError, match="locked"):
            impatient.add_checkpoint(log.body(0, 1))
        other.execute("ROLLBACK")
        other.close()
        impatient.add_checkpoint(log.body(0, 1))


@pytest.mark.parametrize("statement", ["INSERT OR REPLACE", "COMMIT"])
def test_a_write_that_fails_is_answered_by_no_cosignature(
    witness: Witness, log: Log, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Each write fails before it was done, and after: the record and what was said still agree."""
    real = witness._database

    class Failing:
        def __init__(self, done: bool) -> None:
            self.done, self.fail = done, True

        @property
        def in_transaction(self) -> bool:
            return real.in_transaction

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql.startswith(statement) and self.fail:
                self.fail = False
                if self.done:
                    real.execute(sql, *values)
                raise sqlite3.OperationalError("database or disk is full")
            return real.execute(sql, *values)

    for done, size in ((False, 1), (True, 2)):
        monkeypatch.setattr(witness, "_database", Failing(done))
        old = witness.logs()[0].size or 0
        with pytest.raises(WitnessError, match="disk is full"):
            witness.add_checkpoint(log.body(old, size))
        told = witness.logs()[0].size or 0  # as a client learns it, from 409
        assert told == (size if done and statement == "COMMIT" else old)
        line = witness.add_checkpoint(log.body(told, size))
        cosigned_at(line, str(witness.vkey), log.text(size))
