"""`WitnessClient` against a witness of somebody else, and against every kind of bad one."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from hand_made import ForeignWitness, Log, Signer, cosigned_at

from provenance.errors import InputError, MalformedError, WitnessError
from provenance.witness import Cosignature, WitnessClient


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def foreign(log: Log) -> ForeignWitness:
    return ForeignWitness(log.signer.vkey)


@pytest.fixture
def url(foreign: ForeignWitness) -> Iterator[str]:
    with foreign.serving() as url:
        yield url


def ask(
    url: str, vkey: str, log: Log, size: int, *, old_size: int = 0, **more: float
) -> Cosignature:
    def prove(old: int) -> Sequence[bytes]:
        assert 0 < old < size
        return log.proof(old, size)

    client = WitnessClient(url, vkey, timeout=5)
    return client.cosign(log.note(size).encode(), prove, old_size=old_size, **more)


# --- a good one -----------------------------------------------------------------------------------


def test_it_asks_from_where_the_witness_stands(url: str, foreign: ForeignWitness, log: Log) -> None:
    for old_size, size, requests in ((0, 5, 1), (5, 9, 1), (0, 14, 2), (14, 14, 1), (3, 40, 2)):
        foreign.asked.clear()
        found = ask(url, foreign.signer.vkey, log, size, old_size=old_size)
        assert cosigned_at(found.line, foreign.signer.vkey, log.text(size)) == found.time
        assert abs(found.time - time.time()) < 60
        assert foreign.size == size
        assert len(foreign.asked) == requests
        assert foreign.asked[-1] == log.body(foreign_old(foreign), size)


def foreign_old(foreign: ForeignWitness) -> int:
    return int(foreign.asked[-1].split(b"\n")[0].removeprefix(b"old "))


def test_a_slash_at_the_end_of_the_url_is_no_other_place(
    url: str, foreign: ForeignWitness, log: Log
) -> None:
    assert ask(url + "/", foreign.signer.vkey, log, 3).time


def test_it_says_what_no_asking_again_will_change(
    url: str, foreign: ForeignWitness, log: Log
) -> None:
    vkey = foreign.signer.vkey
    ask(url, vkey, log, 20)
    with pytest.raises(WitnessError, match="cosigned 20 entries already, and this checkpoint is"):
        ask(url, vkey, log, 9)
    log.leaves[4] = b"rewritten"
    with pytest.raises(WitnessError, match="another tree of 20 entries"):
        ask(url, vkey, log, 20)
    with pytest.raises(WitnessError, match="HTTP 422"):
        ask(url, vkey, log, 30)
    with pytest.raises(WitnessError, match="HTTP 404"):
        ask(url, vkey, Log("log.example/2"), 3)
    impostor = Log()
    impostor.signer.id = log.signer.id
    with pytest.raises(WitnessError, match="HTTP 403"):
        ask(url, vkey, impostor, 30)


# --- bad ones -------------------------------------------------------------------------------------

Answer = Callable[[str, bytes], tuple[int, str, bytes]]


@contextlib.contextmanager
def answering(*answers: tuple[int, str, bytes] | Answer) -> Iterator[tuple[str, list[bytes]]]:
    """Serve these answers in turn, the last one again and again; yield URL and requests."""
    witness = ForeignWitness("a+b+c")

    def answer(path: str, body: bytes) -> tuple[int, str, bytes]:
        witness.asked.append(body)
        found = answers[min(len(witness.asked), len(answers)) - 1]
        return found(path, body) if callable(found) else found

    witness.answer = answer  # type: ignore[method-assign]
    with witness.serving() as url:
        yield url, witness.asked


NOW = int(time.time())
OURS = Signer("witness.example/w1", 4)


def ok(lines: str) -> tuple[int, str, bytes]:
    return 200, "text/plain", lines.encode()


def test_lines_of_strangers_are_passed_over(log: Log) -> None:
    stranger, namesake = Signer("stranger.example", 4), Signer(OURS.name, 4)
    good = OURS.cosign(log.text(5), NOW)
    lines = stranger.cosign(log.text(5), NOW) + good + namesake.cosign(log.text(5), NOW)
    with answering(ok(lines)) as (url, _):
        assert ask(url, OURS.vkey, log, 5) == Cosignature(good.encode(), NOW)


def bad_lines() -> dict[str, str]:
    log = Log(size=9)
    good = OURS.cosign(log.text(5), NOW)
    twisted = Signer(OURS.name, 4)
    twisted.id = OURS.id
    return {
        "nothing": "",
        "no line": "cosigned\n",
        "no newline": good[:-1],
        "another text": OURS.cosign(log.text(6), NOW),
        "another key": Signer(OURS.name, 4).cosign(log.text(5), NOW),
        "the id of ours, another key": twisted.cosign(log.text(5), NOW),
        "a plain signature": OURS.sign(log.text(5)),
        "twice": good + good,
        "an empty line between": good + "\n" + good,
        "a text of its own": "\nanother text\n\n" + good,
        "a whole note": log.text(5) + "\n" + good,
        "the future": OURS.cosign(log.text(5), NOW + 2 * 3600),
        "the far future": OURS.cosign(log.text(5), 2**63 - 1),
        "long ago": OURS.cosign(log.text(5), NOW - 3 * 86400),
        "no time": OURS.cosign(log.text(5), 0),
        "not utf-8": "\udcff" + good,
        "a hundred lines": good * 101,
    }


@pytest.mark.parametrize("name", bad_lines())
def test_no_other_line_counts(name: str) -> None:
    log = Log(size=9)
    lines = bad_lines()[name]
    data = lines.encode("utf-8", "surrogateescape")
    with (
        answering((200, "text/plain", data)) as (url, asked),
        pytest.raises(WitnessError, match=r"answers no cosignature|clocks is wrong"),
    ):
        ask(url, OURS.vkey, log, 5, patience=5)
    assert len(asked) == 1, "to ask again is of no use"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(409, "text/x.tlog.size", b"3")], "409, and the size is not"),
        ([(409, "text/x.tlog.size", b"3 entries\n")], "409, and the size is not"),
        ([(409, "text/x.tlog.size", b"0\n")], "another tree of 0 entries"),
        ([(409, "text/x.tlog.size", b"6\n")], "cosigned 6 entries already"),
        ([(409, "text/plain", b"3\n")], r"answers 409 without a size: 3\\n$"),
        ([(409, "text/html", b"<p>Conflict")], "answers 409 without a size: <p>Conflict$"),
        ([(400, "text/plain", b"\x1b[2J")], r"HTTP 400: \\x1b\[2J"),
        ([(302, "text/plain", b"")], "HTTP 302"),
        ([(200, "text/plain", b"x" * (1 << 19))], "more than 262,144 bytes"),
    ],
    ids=range(9),
)
def test_garbage_is_said_once(answers: list[tuple[int, str, bytes]], said: str, log: Log) -> None:
    with answering(*answers) as (url, asked), pytest.raises(WitnessError, match=said):
        ask(url, OURS.vkey, log, 5, patience=5)
    assert len(asked) == 1


def test_a_witness_that_names_other_sizes_for_ever_is_left(log: Log) -> None:
    told = [(409, "text/x.tlog.size", b"%d\n" % size) for size in (1, 2, 3, 4, 1)]
    with answering(*told) as (url, asked), pytest.raises(WitnessError, match="each time"):
        ask(url, OURS.vkey, log, 5)
    assert len(asked) == 4


# --- later, and no longer than allowed ------------------------------------------------------------


def test_what_does_not_answer_is_asked_again(log: Log) -> None:
    good = ok(OURS.cosign(log.text(5), NOW))
    with answering((503, "text/plain", b""), (429, "text/plain", b""), good) as (url, asked):
        assert ask(url, OURS.vkey, log, 5, patience=20).time == NOW
    assert len(asked) == 3
    with answering((503, "text/plain", b"later")) as (url, asked):
        with pytest.raises(WitnessError, match="HTTP 503: later"):
            ask(url, OURS.vkey, log, 5)
        assert len(asked) == 1
        with pytest.raises(WitnessError, match="HTTP 503"):
            ask(url, OURS.vkey, log, 5, patience=0.5)
        assert len(asked) in (2, 3)


def test_it_stops_asking_when_there_are_enough(log: Log) -> None:
    enough = threading.Event()
    threading.Timer(0.2, enough.set).start()
    started = time.monotonic()
    with answering((503, "text/plain", b"")) as (url, _), pytest.raises(WitnessError):
        WitnessClient(url, OURS.vkey).cosign(
            log.note(5).encode(), lambda old: [], patience=60, enough=enough
        )
    assert time.monotonic() - started < 20


def test_nobody_there(log: Log) -> None:
    with pytest.raises(WitnessError, match=r"witness.example/w1 at 127.0.0.1:9 does not answer"):
        ask("http://127.0.0.1:9", OURS.vkey, log, 5)


def test_a_slow_answer_is_not_waited_for(log: Log) -> None:
    released = threading.Event()

    def slow(path: str, body: bytes) -> tuple[int, str, bytes]:
        released.wait(20)
        return 503, "text/plain", b""

    with answering(slow) as (url, _):
        started = time.monotonic()
        with pytest.raises(WitnessError, match=r"longer than 0.2 s|does not answer"):
            WitnessClient(url, OURS.vkey, timeout=0.2).cosign(log.note(5).encode(), lambda old: [])
        assert time.monotonic() - started < 10
        released.set()


# --- what is no witness ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "witness.example",
        "ftp://witness.example",
        "http://",
        "http://w.example/?a=1",
        "http://w.example/#a",
        "http://user:secret@w.example/",
        "http://w.example/a b",
        "http://w.example/\n",
        "http://wé.example/",
        "http://[::1",
        "http://w.example:port/",
    ],
)
def test_what_is_no_url_of_a_witness(url: str) -> None:
    with pytest.raises(InputError, match="the URL of a witness") as refused:
        WitnessClient(url, OURS.vkey)
    assert "secret" not in str(refused.value)


def test_what_is_no_key_of_a_witness() -> None:
    with pytest.raises(InputError, match="of a log, not of a witness"):
        WitnessClient("http://w.example", Signer("log.example", 1).vkey)
    with pytest.raises(MalformedError):
        WitnessClient("http://w.example", "w.example")
