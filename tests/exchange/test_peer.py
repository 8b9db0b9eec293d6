"""`Peer` and the rules for URLs; the clients' own tests hold whole exchanges to them."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.errors import InputError
from provenance.exchange.peer import Join, Peer, place, split_url
from provenance.exchange.posting import plain_url


class UnansweredError(Exception):
    pass


class OverlongError(Exception):
    pass


def peer(timeout: float = 20.0) -> Peer:
    return Peer("w.example:80", timeout, unanswered=UnansweredError, overlong=OverlongError)


# --- time and bytes -------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=4), max_size=6), st.integers(0, 12))
def test_a_body_is_joined_up_to_its_cap(pieces: list[bytes], cap: int) -> None:
    whole = b"".join(pieces)
    joined = partial(peer().within_time, lambda join: join(pieces, cap, "a question"))
    if len(whole) <= cap:
        assert joined() == whole
    else:
        with pytest.raises(
            OverlongError, match=f"^w.example:80 answers more than {cap} bytes for a"
        ):
            joined()


def test_of_a_body_without_end_no_more_is_read_than_the_cap() -> None:
    read = 0

    def endless(join: Join) -> bytes:
        def pieces() -> Iterator[bytes]:
            nonlocal read
            while True:
                read += 10
                yield bytes(10)

        return join(pieces(), 95, "a question")

    with pytest.raises(OverlongError):
        peer().within_time(endless)
    assert read == 100


def test_what_takes_too_long_is_left_and_holds_nobody_up() -> None:
    released, threads = threading.Event(), list[threading.Thread]()

    def wait(join: Join) -> None:
        threads.append(threading.current_thread())
        released.wait(60)

    with pytest.raises(UnansweredError, match=r"^w.example:80 takes longer than 0.05 s$"):
        peer(0.05).within_time(wait)
    (thread,) = threads
    assert thread.is_alive()
    assert thread.daemon, "the process would wait for it"
    released.set()
    thread.join()


def test_what_was_left_ends_at_the_next_piece() -> None:
    left, ended = threading.Event(), threading.Event()

    def drip(join: Join) -> None:
        def pieces() -> Iterator[bytes]:
            left.wait(60)
            yield from (b"x" for _ in range(1000))

        with pytest.raises(UnansweredError):
            join(pieces(), 999, "a question")
        ended.set()

    with pytest.raises(UnansweredError):
        peer(0.05).within_time(drip)
    left.set()
    assert ended.wait(60)


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault"), KeyboardInterrupt()])
def test_what_it_raises_is_raised_here(error: BaseException) -> None:
    def fail(join: Join) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        peer().within_time(fail)
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("timed out"), "w.example:80 takes longer than 20 s"),
        (urllib.error.URLError(TimeoutError("x")), "w.example:80 takes longer than 20 s"),
        (urllib.error.URLError(OSError("gone")), "w.example:80 does not answer: gone"),
        (OSError("\x1b[2J\n…"), r"w.example:80 does not answer: \x1b[2J\n\u2026"),
        (ConnectionError(), "w.example:80 does not answer: ConnectionError"),
        (OSError("x" * 999), f"w.example:80 does not answer: {'x' * 200}"),
    ],
)
def test_a_failure_is_told_in_one_harmless_line(error: Exception, said: str) -> None:
    silent = peer().silent(error)
    assert isinstance(silent, UnansweredError)
    assert str(silent) == said


# --- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://w.example", "w.example"),
        ("https://w.example:8443/a/b", "w.example:8443"),
        ("http://user:secret@w.example:80/", "w.example:80"),
    ],
)
def test_of_a_url_only_host_and_port_are_shown(url: str, shown: str) -> None:
    assert place(split_url(url, "a log")) == shown


@pytest.mark.parametrize(
    "url",
    [
        *("", "secret", "secret.example", "ftp://secret/", "file:///etc/secret", "http://"),
        *("http://secret:port", "http://secret:99999", "http://[secret"),
        *("http://w.example/?secret=1", "http://w.example/#secret"),
    ],
)
def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    for check in (split_url, plain_url):
        with pytest.raises(InputError, match=r"^the URL of a log ") as refused:
            check(url, "a log")
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("http://user:secret@w.example/", "http://secret@w.example/", "http://@w.example/secret"),
        *("http://w.example/secret b", "http://w.example/secret\n", "http://w.example/\x7fsecret"),
        *("http://sécret.example/", "http://w.example/sécret?é"),
    ],
)
def test_urllib_gets_no_password_and_nothing_that_it_sends_otherwise(url: str) -> None:
    with pytest.raises(InputError, match=r"^the URL of a node has no ") as refused:
        plain_url(url, "a node", query=True)
    assert "secret" not in str(refused.value)


def test_a_node_may_have_its_key_in_the_query() -> None:
    assert plain_url("https://node.example/v1?key=1", "a node", query=True).query == "key=1"
