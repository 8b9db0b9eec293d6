"""The writing half of a ledger behind a URL: signed here, kept on this disk, then sent.

Without a spool what cannot be sent is an error, and nothing of it is kept. With one it waits: what
a server does not take now is sent later, and the program that records goes on meanwhile.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from provenance.client.outbox import Outbox
from provenance.client.sending import Sender
from provenance.client.transport import LaterError, NotAllowedError
from provenance.errors import InputError, LedgerError, ProvenanceError
from provenance.ledger.desk import Clock, Desk
from provenance.records import Artifact, Encoding
from provenance.signing import PrivateKey, sign
from provenance.statements import Statement

__all__ = ["RemoteJournal"]

REST = 1.0
"""Seconds for which nothing is sent after a failure; ten times as long as that took, so that a
server that hangs takes no more than a tenth of a program's time; and as long as a server says."""

TURN = 1.0
"""Seconds after which a call leaves the rest of what waits to the next."""

BATCH, FULL = 100, 8 << 20
"""Statements that are sent at once, and bytes of them and their trees after which no more are."""

SMALL = 1 << 20
"""Bytes of leaf hashes that are sent with others, and again as a whole should that fail."""

_log = logging.getLogger("provenance")


class RemoteJournal(Desk[int | None]):
    """Where statements are signed, kept, and sent to the log. May be shared between threads.

    Args:
        url: of the log's server.
        sender: to it.
        signers: the keys that sign, when they are needed.
        clock: returns the time.
        patience: seconds for which a server that does not answer is asked again, where somebody
            waits for it.
        spool: the folder for what cannot be sent; None: there is none.

    Attributes:
        patience: as it was given.
        is_spooled: whether there is a spool.

    Raises:
        InputError: what waits in the spool is for another server.
        LedgerError: the spool cannot be used.
    """

    def __init__(
        self,
        url: str,
        sender: Sender,
        signers: Callable[[], Sequence[PrivateKey]],
        clock: Clock,
        *,
        patience: float,
        spool: Path | None,
    ) -> None:
        super().__init__(clock)
        self._url = url
        self._sender = sender
        self._signers = signers
        self.patience = patience
        self._opened = ExitStack()
        self._outbox: Outbox | None = None
        self._opening = threading.Lock()
        self._sending = threading.Lock()
        self._rests_until = time.monotonic()
        self._mine: dict[str, int | None] = {}  # name of what a thread waits for → its index
        self._refused: set[str] = set()
        self.is_spooled = spool is not None
        if spool is not None:
            self._open(spool)

    @property
    def signers(self) -> Sequence[PrivateKey]:
        """The keys that sign statements; as `Desk`."""
        return self._signers()

    @property
    def outbox(self) -> Outbox:
        """Where statements wait: the spool, or a folder that goes when this is closed."""
        with self._opening:
            return self._outbox or self._open(
                Path(self._opened.enter_context(TemporaryDirectory(prefix="provenance-")))
            )

    def _open(self, folder: Path) -> Outbox:
        self._outbox = Outbox(folder, self._url)
        self._opened.callback(self._outbox.close)
        return self._outbox

    def close(self) -> None:
        """Let go of the files."""
        self._opened.close()

    def keep(self, leaf_hash_blocks: Iterator[bytes], encoding: Encoding) -> Artifact:
        """Write down leaf hashes, for the next statement about them; as `Outbox.keep`."""
        return self.outbox.keep(leaf_hash_blocks, encoding)

    def submit(self, statement: Statement, *, with_tree: bool = False) -> int | None:
        """Sign a statement, have it logged, and check that it is.

        Args:
            statement: what to sign.
            with_tree: it registers what was kept.

        Returns:
            Its index in the log; None while it waits in the spool.

        Raises:
            InputError: it cannot be signed; or, without a spool, the server does not take it.
            LedgerError: it cannot be kept; or, without a spool, the server does not answer.
            VerificationError: without a spool: the server says that it is logged, and does not
                prove it.
        """
        envelope = sign(statement.to_bytes(), self.signers).to_bytes()
        digest = statement.artifact_digests()[0] if with_tree else None
        outbox = self.outbox
        name = outbox.name()
        self._mine[name] = None
        try:
            outbox.put(name, envelope, digest)
            if self.is_spooled:
                self._send_if_possible(outbox, name)
            else:
                self._send_or_forget(outbox, name)
            return self._mine[name]
        finally:
            del self._mine[name]

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Send nothing that is submitted meanwhile."""
        self._rests_until = math.inf
        try:
            yield
        finally:
            self._rests_until = time.monotonic()

    def drain(self) -> list[int]:
        """Send all that waits, the oldest first; return the index of each.

        Raises:
            InputError: the server refuses some of it, which stays; all else was sent.
            LedgerError: it does not answer.
            VerificationError: it says that something is logged, and does not prove it.
        """
        outbox = self.outbox
        with self._sending, outbox.alone(wait=True):
            self._refused.clear()
            return self._send_waiting(outbox, self.patience)

    def _send_or_forget(self, outbox: Outbox, name: str) -> None:
        try:
            self._send(outbox, [name], self.patience)
        except BaseException:
            outbox.remove(name)
            raise

    def _send_if_possible(self, outbox: Outbox, name: str) -> None:
        """Send all that waits, this among it, unless somebody does or did."""
        with self._sending:
            if self._mine[name] is None and time.monotonic() >= self._rests_until:
                with outbox.alone(wait=False) as alone:
                    if alone:
                        self._send_or_rest(outbox)

    def _send_or_rest(self, outbox: Outbox) -> None:
        begun = time.monotonic()
        try:
            self._send_waiting(outbox, patience=0, until=begun + TURN)
        except ProvenanceError as error:
            _log.warning("%d statements wait in %s: %s", self.waiting(), outbox.folder, error)
            if isinstance(error, NotAllowedError) or not isinstance(error, InputError):
                now = time.monotonic()
                wanted = error.seconds if isinstance(error, LaterError) else 0.0
                self._rests_until = now + max(REST, 10 * (now - begun), wanted)

    def _send_waiting(self, outbox: Outbox, patience: float, until: float = math.inf) -> list[int]:
        """Send until nothing waits but what was refused, or it is late; as `drain`."""
        indices: list[int] = []
        refusal = None
        while fresh := [name for name in outbox.waiting() if name not in self._refused]:
            if time.monotonic() > until:
                break
            names = fresh[:BATCH]
            try:
                indices += self._send(outbox, names, patience)
            except NotAllowedError:
                raise
            except InputError:
                for name in names:  # one by one, to know which
                    try:
                        indices += self._send(outbox, [name], patience)
                    except NotAllowedError:
                        raise
                    except InputError as error:
                        self._refused.add(name)
                        refusal = refusal or InputError(f"{outbox.place(name)}: {error}")
        if refusal is not None:
            raise refusal
        return indices

    def _send(self, outbox: Outbox, names: Sequence[str], patience: float) -> list[int]:
        """Send the first of some, as many as fit into a request; as `drain`, and all or none.

        Their leaf hashes go first, those of small artifacts in one request, too. A crash leaves
        trees that nothing names, and that are found when they are sent again.
        """
        envelopes: list[bytes] = []
        small: list[tuple[bytes, bytes]] = []
        for name in names:
            if sum(map(len, envelopes)) + sum(len(data) for _, data in small) > FULL:
                break
            envelopes.append(outbox.envelope(name))
            with outbox.leaves(name) as leaves:
                if leaves is None:
                    continue
                if len(names) > 1 and os.fstat(leaves.fileno()).st_size <= SMALL:
                    small.append((envelopes[-1], leaves.read()))
                else:
                    self._sender.send_tree(envelopes[-1], leaves, patience)
        if small:
            self._sender.send_trees(small, patience)
        indices = self._sender.log(envelopes, patience)
        for name, index in zip(names, indices, strict=False):
            outbox.remove(name)
            if name in self._mine:
                self._mine[name] = index
        return indices

    def statements(self) -> Iterator[Statement]:
        """Yield what waits in the spool, the newest first."""
        if self.is_spooled:
            for name in reversed(self.outbox.waiting()):
                with suppress(LedgerError):  # sent just now, or damaged: sending says so
                    yield self.outbox.statement(name)

    @contextmanager
    def leaves(self, digest: bytes) -> Iterator[BinaryIO | None]:
        """Open the leaf hashes of an artifact that waits in the spool; None where none does."""
        with ExitStack() as opened:
            found = None
            for name in self.outbox.waiting() if self.is_spooled else ():
                with suppress(LedgerError):  # sent just now, or damaged: sending says so
                    if self.outbox.statement(name).artifact_digests()[:1] == (digest,):
                        found = found or opened.enter_context(self.outbox.leaves(name))
            yield found

    def waiting(self) -> int:
        """Return how many statements wait."""
        return 0 if self._outbox is None else len(self._outbox.waiting())
