"""What a ledger says of chains: each anchor, each kept proof, and the embedded chain's own file.

The newest head of each contract is asked for before the log is read, so that an anchor which is
made meanwhile is never above the log; each anchor is looked up in its chain after that, so that
the chain is never behind it. A chain that does not answer leaves its anchors undecided.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import Session

from provenance import forms
from provenance.anchoring import AnchorError, ChainPin, StateProof
from provenance.errors import ChainError, InputError
from provenance.ledger.catalog import AnchorRow
from provenance.ledger.chains import Chains
from provenance.ledger.config import ChainConfig
from provenance.ledger.folder import Folder
from provenance.ledger.states import MAX_PROOF, StateProofRow
from provenance.log import Checkpoint
from provenance.log.store import CheckpointRow
from provenance.monitoring.anchors import Look, look
from provenance.upkeep.database import SEALED, sealed_rows
from provenance.upkeep.report import Area, Findings, Kind, counted
from provenance.verification import Policy

__all__ = ["HEAD", "check_anchors", "check_chain_files", "look_at_chains"]

STATES = ("submitted", "mined", "confirmed", "final", "reorged")

HEAD = Kind(
    "the log has lost entries, or is another than was anchored: it was brought back from an old "
    "copy, perhaps. Nothing can be anchored there any more",
    "bring the newest copy back, and write nothing until then",
)
ANCHOR = Kind(
    "bundles name a place on a chain where the root is not",
    "`provenance anchor` looks again; what stays, bring back from a backup",
)
PROOF = Kind(
    "bundles carry a proof that convinces nobody under the block's hash",
    "bring the ledger back from a backup; a node that keeps old states can be asked instead",
)
CONTRACT = Kind(
    "anchors on this chain convince nobody who has the policy",
    "see docs/chains.md, where each answer of a node is explained",
)
CHAIN_FILE = Kind(
    "the embedded chain is damaged: what is anchored in it cannot be shown, or not be anchored "
    "further",
    "bring the ledger back from a backup: `provenance restore`",
)


def look_at_chains(chains: Chains | None, policy: Policy | None) -> list[Look]:
    """Ask each chain of the policy for its contract's newest head."""
    if chains is None or policy is None:
        return []
    looks = []
    for pin in policy.chains:
        try:
            looks.append(look(pin, chains))
        except InputError as error:  # a URL that an environment variable is to hold
            looks.append(Look(pin, undecided=str(error)))
    return looks


def check_anchors(
    session: Session,
    size: int,
    roots: Mapping[int, bytes],
    looks: list[Look],
    chains: Chains | None,
    configured: Mapping[str, ChainConfig],
    found: Findings,
) -> Area:
    """Check every anchor and proof that the ledger keeps, and that contracts have no other head.

    Args:
        session: of its database.
        size: of the log.
        roots: of the log, at the sizes of the contracts' heads.
        looks: what the chains said before the log was read.
        chains: to be asked again.
        configured: how they are reached.
        found: for the findings.
    """
    pins = {each.pin.name: each.pin for each in looks}
    undecided = set()
    for each in looks:
        name = each.pin.name
        if each.wrong:
            found.fault(f"chain {name!r}: {each.wrong}", CONTRACT)
        if not each.known:
            undecided.add(name)
            if not each.wrong:
                found.doubts.append(f"chain {name!r}: {each.undecided or each.unasked}")
        elif each.head is not None:
            _compare_head(size, roots, each, found)
    anchors = proofs = 0
    rows: dict[str, list[AnchorRow]] = {}
    for values in sealed_rows(session, AnchorRow, found, SEALED):
        row = AnchorRow(**values)
        anchors += 1
        _compare_checkpoint(session, row, found)
        if row.chain not in pins:
            found.notes.append(f"an anchor of {row.size} entries on {row.chain!r}, not pinned")
        else:
            rows.setdefault(row.chain, []).append(row)
    for name in rows.keys() - undecided:
        _compare_chain(pins[name], rows[name], chains, configured, found)
    for values in sealed_rows(session, StateProofRow, found, SEALED):
        proofs += 1
        known = session.get(AnchorRow, (values["chain"], values["size"]))
        if values["chain"] in pins and known is not None:
            _check_proof(pins[values["chain"]], known, StateProofRow(**values), found)
    said = f"{counted(anchors, 'anchor')} on {counted(len(pins), 'chain')}"
    if proofs:
        said += f", {counted(proofs, 'state proof')}"
    return found.area(said, there=bool(anchors or pins))


def _compare_head(size: int, roots: Mapping[int, bytes], looked: Look, found: Findings) -> None:
    """Hold a contract's newest head against the log."""
    head = looked.head
    if head is None:
        return
    what = f"the contract on {looked.pin.name!r} has a head of {head.size} entries"
    if head.size > size:
        found.fault(f"{what}: the log has {size}", HEAD)
    elif roots.get(head.size) != head.root:
        found.fault(f"{what} with another root than the log", HEAD)


def _compare_checkpoint(session: Session, row: AnchorRow, found: Findings) -> None:
    """What is anchored was signed before: at this size, with this root."""
    what = f"the anchor of {row.size} entries on {row.chain!r}"
    signed = session.get(CheckpointRow, row.size)
    try:
        root = None if signed is None else Checkpoint.of_note(signed.note).root
    except InputError:
        return  # told where the checkpoint is
    if root != row.root:
        found.fault(f"{what} is of no checkpoint", ANCHOR)
    if row.state not in STATES:
        found.fault(f"{what} has the unknown state {row.state!r}", ANCHOR)


def _compare_chain(
    pin: ChainPin,
    rows: list[AnchorRow],
    chains: Chains | None,
    configured: Mapping[str, ChainConfig],
    found: Findings,
) -> None:
    """Look each anchor up in its chain: transaction, block, its hash and its time."""
    if chains is None or pin.name not in configured:
        found.doubts.append(f"chain {pin.name!r}: no way to reach it is configured")
        return
    try:
        with chains.opened(configured[pin.name]) as chain:
            for row in rows:
                if row.block is None:
                    continue
                place = chain.locate(pin.contract, pin.ledger_id, row.size, row.root)
                said = row.tx_hash, row.block, row.block_hash, row.block_time
                if place is not None and said == (
                    place.tx_hash,
                    place.block,
                    place.block_hash,
                    place.block_time,
                ):
                    continue
                what = f"the anchor of {row.size} entries is not in block {row.block} of"
                if row.state == "mined":
                    found.notes.append(f"{what} {pin.name!r} any more: `provenance anchor` follows")
                else:
                    found.fault(f"{what} {pin.name!r}, or not as is written down", ANCHOR)
    except (ChainError, InputError) as error:
        found.doubts.append(f"chain {pin.name!r}: {error}")


def _check_proof(pin: ChainPin, row: AnchorRow, kept: StateProofRow, found: Findings) -> None:
    """Check a proof of the chain's state under its block's hash."""
    from provenance.anchoring.state import check_state

    what = f"the state proof of {kept.size} entries on {kept.chain!r}"
    if row.block is None or row.block_hash != kept.block_hash:
        return  # of a block that a reorg took back: its seal holds, and nobody is given it
    try:
        proof = forms.decode(StateProof, forms.parse(kept.data, what=what, cap=MAX_PROOF), what)
        anchor = pin.anchor(size=row.size, root=row.root, block=row.block)
        check_state(anchor, pin, proof, block_hash=kept.block_hash)
    except (AnchorError, InputError) as error:
        found.fault(f"{what}: {error}", PROOF)
    except ChainError as error:
        found.doubts.append(f"{what}: {error}")


def check_chain_files(
    folder: Folder, configured: Mapping[str, ChainConfig], found: Findings
) -> Area:
    """Check the file of each embedded chain."""
    from provenance.upkeep.chainfile import chain_damage

    files = {chain.path for chain in configured.values() if chain.path is not None}
    for name in sorted(files):
        try:
            for said in chain_damage(folder.path / name):
                found.fault(f"{name}: {said}", CHAIN_FILE)
        except ChainError as error:
            found.fault(str(error), CHAIN_FILE)
    return found.area(", ".join(sorted(files)) or "no embedded chain", there=bool(files))
