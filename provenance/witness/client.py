"""`WitnessClient`: asks one witness, over HTTP with the standard library alone.

A ledger that anchors asks its witnesses first, so this needs no more than a ledger does: httpx is
an extra, of those who connect to a ledger elsewhere.

The witness is not trusted. Its answer is read up to a size and a moment, redirects are not
followed, and a line counts only if it is a signature by the very key that was configured, over the
very text that was sent, of a time that is near this machine's. What fails to answer is asked again,
later and later.
"""

from __future__ import annotations

import http.client
import queue
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from provenance.errors import InputError, MalformedError, WitnessError
from provenance.log.checkpoint import Checkpoint
from provenance.signing import (
    COSIGNATURE,
    SignatureError,
    VerifierKey,
    open_note,
    strip_foreign_lines,
)
from provenance.witness.request import SIZE_TYPE, AddCheckpoint, parse_size

__all__ = ["Cosignature", "WitnessClient"]

MAX_ANSWER = 1 << 18
MAX_AHEAD, MAX_BEHIND = 3600, 86400
"""Seconds by which the time of a fresh cosignature may differ from this machine's."""

ROUNDS = 4
"""How often a witness may name another size: it moves when somebody else asks meanwhile."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0


class _UnansweredError(WitnessError):
    """No answer, or one that says "not now": worth asking again."""


@dataclass(frozen=True)
class Cosignature:
    """A witness's signature line under a checkpoint, checked; `time` in POSIX seconds."""

    line: bytes
    time: int


class WitnessClient:
    """One witness, by its URL and its key.

    Args:
        url: the submission prefix, ``http://…`` or ``https://…``.
        vkey: by which its cosignatures are known.
        timeout: seconds for one exchange, from connecting to the last byte.
        clock: returns the time.

    Raises:
        InputError: not such a URL, or not the vkey of a witness.
    """

    def __init__(
        self,
        url: str,
        vkey: str,
        *,
        timeout: float = 10.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.host = _host(url)
        self.key = VerifierKey.parse(vkey)
        if self.key.type != COSIGNATURE:
            raise InputError(f"{self.key.name}: that is the vkey of a log, not of a witness")
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._timeout = timeout
        self._clock = clock
        self._opener = urllib.request.build_opener(_NoRedirect)

    def cosign(
        self,
        note: bytes,
        prove: Callable[[int], Sequence[bytes]],
        *,
        old_size: int = 0,
        patience: float = 0.0,
        enough: threading.Event | None = None,
    ) -> Cosignature:
        """Ask for a cosignature of a checkpoint.

        Args:
            note: the checkpoint, signed by the log.
            prove: returns the consistency proof from a size, 1 or more and less than that of the
                checkpoint, to the checkpoint.
            old_size: of the checkpoint that the witness is thought to have cosigned last.
            patience: seconds for which a witness that does not answer is asked again.
            enough: set when no more is to be asked.

        Raises:
            WitnessError: the witness does not cosign, or answers what it must not.
        """
        until = time.monotonic() + patience
        pause = FIRST_PAUSE
        enough = enough or threading.Event()
        while True:
            try:
                return self._negotiate(note, prove, old_size)
            except _UnansweredError:
                # Spread a little, so that many ledgers do not come back in one moment.
                wait = pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
                if time.monotonic() + wait > until or enough.wait(wait):
                    raise
                pause = min(2 * pause, LONGEST_PAUSE)

    def _negotiate(
        self, note: bytes, prove: Callable[[int], Sequence[bytes]], old_size: int
    ) -> Cosignature:
        """Ask, and once more from where the witness says that it stands."""
        size = Checkpoint.of_note(note.decode()).size
        for _ in range(ROUNDS):
            proof = tuple(prove(old_size)) if 0 < old_size < size else ()
            status, kind, body = self._post(AddCheckpoint(old_size, proof, note).to_bytes())
            if status == 200:
                return self._checked(note, body)
            if status != 409:
                raise self._refused(status, body)
            if kind.partition(";")[0] != SIZE_TYPE:
                raise self._conflict(body, size if old_size == size else None)
            told = self._told(body)
            if told == old_size:
                raise WitnessError(
                    f"{self.key.name} has cosigned another tree of {old_size} entries: "
                    "this log shows it two histories"
                )
            if told > size:
                raise WitnessError(
                    f"{self.key.name} has cosigned {told} entries already, and this checkpoint is "
                    f"of {size}: ask for the newest; a ledger brought back from an old copy has "
                    "none"
                )
            old_size = told
        raise _UnansweredError(f"{self.key.name} names another size each time")

    def _told(self, body: bytes) -> int:
        try:
            return parse_size(body)
        except MalformedError as error:
            raise WitnessError(f"{self.key.name} answers 409, and {error}") from error

    def _conflict(self, body: bytes, size: int | None) -> WitnessError:
        """Return what a 409 is that tells no size; `size` where it may mean another root."""
        perhaps = f"; so does one that has cosigned another tree of {size} entries" if size else ""
        return WitnessError(f"{self._name} answers 409 without a size{perhaps}: {_quoted(body)}")

    def _checked(self, note: bytes, lines: bytes) -> Cosignature:
        """Return the cosignature among the lines of an answer."""
        text = note.partition(b"\n\n")[0] + b"\n"
        answer = text + b"\n" + lines
        try:
            opened = open_note(answer, [self.key])
            if opened.text.encode() != text:
                raise MalformedError("an empty line stands among the signatures")  # noqa: TRY301
            kept = strip_foreign_lines(answer, [self.key])
        except (MalformedError, SignatureError) as error:
            raise WitnessError(f"{self.key.name} answers no cosignature: {error}") from error
        signed, now = opened.signatures[0].time or 0, self._clock().timestamp()
        if not now - MAX_BEHIND <= signed <= now + MAX_AHEAD:
            raise WitnessError(
                f"{self.key.name} cosigns for the time {signed}, and here it is {int(now)}: "
                "one of the two clocks is wrong"
            )
        return Cosignature(kept.removeprefix(text + b"\n"), signed)

    def _refused(self, status: int, body: bytes) -> WitnessError:
        kind = _UnansweredError if status in (408, 429) or status >= 500 else WitnessError
        return kind(f"{self._name} answers HTTP {status}: {_quoted(body)}")

    # --- one exchange ---------------------------------------------------------------------------

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body of an answer, within the time allowed.

        In a thread of its own: only so is there one limit for all of it, name look-up and dripping
        headers included. One that is given up on never holds up the end of the process.
        """
        answers: queue.SimpleQueue[tuple[int, str, bytes] | WitnessError] = queue.SimpleQueue()

        def exchange() -> None:
            try:
                answers.put(self._exchange(body))
            except WitnessError as error:
                answers.put(error)
            except (OSError, http.client.HTTPException, ValueError) as error:
                said = ascii(str(getattr(error, "reason", None) or error))[1:-1][:200]
                answers.put(_UnansweredError(f"{self._name} does not answer: {said}"))

        threading.Thread(target=exchange, daemon=True).start()
        try:
            answer = answers.get(timeout=self._timeout)
        except queue.Empty:
            raise _UnansweredError(f"{self._name} takes longer than {self._timeout:g} s") from None
        if isinstance(answer, WitnessError):
            raise answer
        return answer

    @property
    def _name(self) -> str:
        return f"{self.key.name} at {self.host}"

    def _exchange(self, body: bytes) -> tuple[int, str, bytes]:
        request = urllib.request.Request(  # noqa: S310 (the scheme was checked)
            self._url, body, {"Content-Type": "text/plain; charset=utf-8"}
        )
        try:
            response = self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            response = error
        until, data = time.monotonic() + self._timeout, bytearray()
        with response:
            while piece := response.read1(1 << 16):
                data += piece
                if len(data) > MAX_ANSWER:
                    raise WitnessError(f"{self._name} answers more than {MAX_ANSWER:,} bytes")
                if time.monotonic() > until:
                    raise TimeoutError("it drips")
            return response.status, response.headers.get("Content-Type", ""), bytes(data)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like any other 3xx: an error."""

    def redirect_request(self, *_: object) -> None:
        return None


def _quoted(body: bytes) -> str:
    """Return the beginning of an answer, without a character that acts on a terminal."""
    return ascii(body[:300].decode("utf-8", "replace"))[1:-1]


def _host(url: str) -> str:
    """Return host and port of `url`."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        raise InputError("the URL of a witness that is no URL") from None
    plain = url.isascii() and not re.search(r"[\x00-\x20\x7f]", url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise InputError("the URL of a witness is http:// or https:// and a host, perhaps a path")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise InputError("the URL of a witness has no password, no query and no fragment")
    return f"{parts.hostname}{port}"
