"""Asking a ledger's witnesses to cosign its newest checkpoint, all at once.

Each cosignature is on the disk before the next answer is looked at, so a crash loses none; who is
asked again later are those that are missing.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provenance.errors import InputError, LedgerError, ProvenanceError, WitnessError
from provenance.ledger.config import WitnessConfig
from provenance.log import Checkpoint
from provenance.log.log import Log
from provenance.log.store import CheckpointRow
from provenance.signing import SignatureError, VerifierKey, open_note
from provenance.verification import DEMANDS, Policy
from provenance.witness import Cosignature, WitnessClient

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["PATIENCE", "WitnessAnswer", "add", "cosign", "missing"]

PATIENCE = 30.0
"""Seconds for which witnesses that do not answer are asked again, while too few have cosigned."""

TIMEOUT = 10.0
"""Seconds for one exchange with a witness."""


@dataclass(frozen=True)
class WitnessAnswer:
    """What came of asking one witness.

    Attributes:
        name: in ``config.toml``.
        keyid: of its public key: one witness is one key, whatever it is called.
        size: entries of the checkpoint.
        time: of its cosignature, POSIX seconds; None where there is none.
        reason: why there is none.
    """

    name: str
    keyid: str
    size: int
    time: int | None
    reason: str = ""


def add(ledger: Ledger, name: str, url: str, vkey: str) -> None:
    """Ask a witness from now on, and count it in the own policy; as `Ledger.add_witness`."""
    with ledger.folder.alone("policy"):
        known = ledger.witnesses()
        _check(name, url, vkey, known)
        ledger.folder.configure(witnesses={**known, name: WitnessConfig(url=url, vkey=vkey)})
        # A crash here leaves a witness that is asked and not counted: add it again.
        policy = ledger.policy()
        if vkey not in policy.witnesses:
            ledger.folder.trust(replace(policy, witnesses=(*policy.witnesses, vkey)))


def cosign(ledger: Ledger, need: int | None, patience: float) -> list[WitnessAnswer]:
    """Have a checkpoint cosigned by `need` witnesses; as `Ledger.cosign`."""
    if need is None:
        need = _demanded(ledger.policy())
    configured = ledger.witnesses()
    if need > len(configured):
        raise InputError(
            f"witnesses needed: {need}, known: {len(configured)}; "
            "`provenance witness add` makes one known"
        )
    answers = _ask_all(ledger, ledger.checkpoint(), configured, need=need, patience=patience)
    cosigned = {answer.keyid for answer in answers if answer.time is not None}
    if len(cosigned) < need:
        told = "; ".join(f"{answer.name}: {answer.reason}" for answer in answers if answer.reason)
        raise WitnessError(
            f"{len(cosigned)} of the {need} witnesses needed have cosigned {answers[0].size} "
            f"entries, and ask again later: {told}"
        )
    return answers


def _check(name: str, url: str, vkey: str, known: Mapping[str, WitnessConfig]) -> None:
    """Check that a witness can be called so, and asked there, next to those that are `known`.

    Raises:
        InputError: not a name for one, or not the URL or the vkey of a witness; or the name is
            another's, or the key is known by another name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise InputError(f"{name!r} cannot name a witness: take letters, digits, . _ and -")
    key = WitnessClient(url, vkey).key.key
    if known.get(name, (added := WitnessConfig(url=url, vkey=vkey))) != added:
        raise InputError(f"another witness is called {name!r} already")
    for other, witness in known.items():
        if other != name and VerifierKey.parse(witness.vkey).key == key:
            raise InputError(f"that is the key of the witness {other!r}: one counts once")


def _demanded(policy: Policy) -> int:
    """Return how many witnesses the policy demands where it demands the most, at least one."""
    return max(1, *(policy.demand(level).witnesses for level in DEMANDS))


def missing(note: str, witnesses: Mapping[str, WitnessConfig]) -> list[str]:
    """Return the names of those that have not cosigned the checkpoint `note`."""
    keys = {name: WitnessClient(known.url, known.vkey).key for name, known in witnesses.items()}
    return [name for name, key in keys.items() if _cosigned_at(note, key) is None]


def _ask_all(
    ledger: Ledger,
    note: str,
    witnesses: Mapping[str, WitnessConfig],
    *,
    need: int,
    patience: float,
) -> list[WitnessAnswer]:
    """Ask those that have not cosigned the checkpoint `note`, and keep what they answer.

    Args:
        ledger: whose it is.
        note: the checkpoint, with the cosignatures that it has.
        witnesses: by name.
        need: when so many have cosigned, nobody is asked a second time.
        patience: seconds for which one that does not answer is asked again.
    """
    size = Checkpoint.of_note(note).size
    clients = {
        name: WitnessClient(witness.url, witness.vkey, timeout=TIMEOUT, clock=ledger._clock)
        for name, witness in witnesses.items()
    }
    keyids = {name: client.key.key.keyid for name, client in clients.items()}
    cosigned = {name: _cosigned_at(note, client.key) for name, client in clients.items()}
    reasons = {name: "no answer in time" for name, at in cosigned.items() if at is None}
    arrived: queue.SimpleQueue[tuple[str, Cosignature | ProvenanceError]] = queue.SimpleQueue()
    enough = threading.Event()

    def ask(name: str) -> None:
        try:
            asked = _ask(ledger, size, clients[name], patience, enough)
        except ProvenanceError as error:
            arrived.put((name, error))
        else:
            arrived.put((name, asked))

    for name in reasons:
        threading.Thread(target=ask, args=(name,), daemon=True).start()
    until = time.monotonic() + patience + TIMEOUT
    for _ in tuple(reasons):
        if len({keyids[name] for name, at in cosigned.items() if at is not None}) >= need:
            enough.set()
            until = min(until, time.monotonic() + TIMEOUT)
        try:
            name, answer = arrived.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, ProvenanceError):
            reasons[name] = str(answer)
            continue
        with ledger._database.writing() as session:
            Log(session, ledger.origin).cosign(size, clients[name].key, answer.line)
        cosigned[name] = answer.time
        del reasons[name]
    return [
        WitnessAnswer(name, keyids[name], size, at, reasons.get(name, ""))
        for name, at in cosigned.items()
    ]


def _ask(
    ledger: Ledger,
    size: int,
    client: WitnessClient,
    patience: float,
    enough: threading.Event,
) -> Cosignature:
    def prove(old_size: int) -> Sequence[bytes]:
        with ledger._database.reading() as session:
            return Log(session, ledger.origin).prove_consistency(old_size, size).path

    with ledger._database.reading() as session:
        signed = session.get(CheckpointRow, size)
        known = Log(session, ledger.origin).newest_cosigned([str(client.key)], need=1)
    if signed is None:
        raise LedgerError(f"the checkpoint of {size} entries is lost")
    return client.cosign(
        signed.note.encode(),
        prove,
        old_size=known if known is not None and known <= size else 0,
        patience=patience,
        enough=enough,
    )


def _cosigned_at(note: str, witness: VerifierKey) -> int | None:
    """Return when this witness cosigned the note, if it did."""
    try:
        return open_note(note.encode(), [witness]).signatures[0].time
    except SignatureError:
        return None
