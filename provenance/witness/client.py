"""`WitnessClient`: asks one witness, over HTTP with the standard library alone.

A ledger that anchors asks its witnesses first, so this needs no more than a ledger does: httpx is
an extra, of those who connect to a ledger elsewhere.

The witness is not trusted. Its answer is read up to a size and a moment, redirects are not
followed, and a line counts only if it is a signature by the very key that was configured, over the
very text that was sent, of a time that is near this machine's. What fails to answer is asked again,
later and later.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPResponse

from provenance.errors import InputError, MalformedError, WitnessError
from provenance.exchange.peer import Join, Peer, place
from provenance.exchange.posting import Endpoint, pieces, plain_url
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
        self.host = place(plain_url(url, "a witness"))
        self.key = VerifierKey.parse(vkey)
        if self.key.type != COSIGNATURE:
            raise InputError(f"{self.key.name}: that is the vkey of a log, not of a witness")
        self._clock = clock
        self._name = f"{self.key.name} at {self.host}"
        self._witness = Endpoint(
            f"{url.rstrip('/')}/add-checkpoint",
            "text/plain; charset=utf-8",
            Peer(self._name, timeout, unanswered=_UnansweredError, overlong=WitnessError),
        )

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
            question = AddCheckpoint(old_size, proof, note).to_bytes()
            status, kind, body = self._witness.post(question, _read)
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


def _read(response: HTTPResponse, join: Join) -> tuple[int, str, bytes]:
    """Return status, content type and body of an answer."""
    body = join(pieces(response), MAX_ANSWER, "a checkpoint")
    return response.status, response.headers.get("Content-Type", ""), body


def _quoted(body: bytes) -> str:
    """Return the beginning of an answer, without a character that acts on a terminal."""
    return ascii(body[:300].decode("utf-8", "replace"))[1:-1]
