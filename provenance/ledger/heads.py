"""The log's tree heads: signed as checkpoints, and brought to every chain at once."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from provenance.anchoring import ChainPin
from provenance.errors import (
    ChainError,
    ChainUnreachableError,
    InputError,
    LedgerError,
    ProvenanceError,
)
from provenance.ledger import outputs, witnesses
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import Catalog
from provenance.ledger.chains import Pause, agree
from provenance.ledger.sending import Sender, Told, watched_above
from provenance.ledger.witnesses import WitnessAnswer
from provenance.log.log import Log

if TYPE_CHECKING:
    from provenance.ledger.ledger import Ledger

__all__ = ["anchor", "due", "sign"]

SLICE_SECONDS = 0.5


def sign(ledger: Ledger) -> str:
    """Return the checkpoint of the newest tree head, signed if it was not; cosigned as it is."""

    def signed() -> str:
        with ledger._database.reading() as session:
            log = Log(session, ledger.origin)
            note = log.cosigned(log.size)
        if note is not None:
            return note
        key = ledger.keyring.log
        with ledger._database.writing() as session:
            return Log(session, ledger.origin).checkpoint(key)

    return ledger._kept.get("checkpoint", signed)


def anchor(
    ledger: Ledger,
    names: Sequence[str],
    told: Told,
    refused: Callable[[WitnessAnswer], object] | None,
    pause: Pause,
) -> list[AnchorRecord]:
    """Sign a checkpoint, have it cosigned, and bring it to chains; as `Ledger.anchor`."""
    policy = ledger.policy()
    pins = [policy.pin(name) for name in dict.fromkeys(names)] or policy.chains
    with ledger.folder.alone("anchor"):  # several at once shall not sign several checkpoints
        outputs.recover(ledger)
        note = ledger.checkpoint()
    for answer in ledger.cosign(need=0):  # first, so that they have seen what is anchored
        if answer.reason and refused is not None:
            refused(answer)
        elif answer.reason:
            warnings.warn(f"witness {answer.name}: {answer.reason}", stacklevel=3)

    def bring(pin: ChainPin, waiting: Pause) -> AnchorRecord:
        configured = ledger.chains.configured(pin.name)
        agree(configured, pin)
        account = ledger.keyring.account(configured.account)
        with (
            ledger.folder.alone(f"anchor-{pin.name}"),
            ledger.chains.opened(configured, account, pause=waiting) as chain,
            ledger.chains.sending(chain, pin.chain_id),
        ):
            return Sender(ledger._database, ledger.origin, chain, pin, told).bring(note)

    return _bring_to_all(pins, bring, pause)


def due(ledger: Ledger, name: str) -> bool:
    """Say whether anchoring has anything to do on a chain; as `Ledger.anchor_due`."""
    outputs.recover(ledger)
    note = ledger.latest_checkpoint()
    if note is None or witnesses.missing(note, ledger.witnesses()):
        return True
    with ledger._database.reading() as session:
        catalog = Catalog(session)
        newest = catalog.newest_anchor(name)
        if newest is None or newest.size < Log(session, ledger.origin).size:
            return True
        unsettled = catalog.unsettled_anchors(name, above=-1)
    if not all(row.state == "confirmed" for row in unsettled):
        return True
    if not unsettled:
        return False
    with ledger.chains.opened(ledger.chains.configured(name)) as chain:
        watched = watched_above(chain.head(), chain.finalized())
    return any((row.block or 0) > watched for row in unsettled)


def _bring_to_all(
    pins: Sequence[ChainPin], bring: Callable[[ChainPin, Pause], AnchorRecord], pause: Pause
) -> list[AnchorRecord]:
    """Anchor to several chains, each in a thread: what takes long is waiting for their blocks.

    `bring` waits with the `Pause` that it is given, which ends when this call is interrupted.

    Raises:
        ChainError: a chain does not take it. Every other one was tried, and is told.
        LedgerError: all that failed did so by the ledger's own fault.
        InputError: all that failed did so since their account's key file does not open.
    """
    interrupted = threading.Event()

    def waiting(seconds: float) -> object:
        return pause(seconds) or interrupted.is_set()

    def attempt(pin: ChainPin) -> AnchorRecord | ProvenanceError:
        try:
            return bring(pin, waiting)
        except ProvenanceError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(len(pins), 1)) as pool:
        try:
            running = [pool.submit(attempt, pin) for pin in pins]
            # In slices: a signal just before one long wait begins would be seen only at its end.
            while wait(running, timeout=SLICE_SECONDS).not_done:
                pass
        except BaseException:
            interrupted.set()
            raise
    found = [each.result() for each in running]
    anchored = [result for result in found if isinstance(result, AnchorRecord)]
    failed = {
        pin.name: result
        for pin, result in zip(pins, found, strict=True)
        if isinstance(result, ProvenanceError)
    }
    if not failed:
        return anchored
    told = "; ".join(f"{name}: {error}" for name, error in failed.items())
    if anchored:
        told += "; anchored on: " + ", ".join(anchor.chain for anchor in anchored)
    kinds: tuple[type[ProvenanceError], ...] = (ChainUnreachableError, LedgerError, InputError)
    same = [kind for kind in kinds if all(isinstance(e, kind) for e in failed.values())]
    raise (same[0] if same else ChainError)(told) from next(iter(failed.values()))
