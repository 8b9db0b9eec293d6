"""``init``, ``status``, ``log``, ``show`` and ``history``: a ledger as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.opening import PASSPHRASE, new_passphrase, open_ledger
from provenance.cli.options import Json
from provenance.cli.output import (
    EMBEDDED,
    artifact_line,
    emit,
    moment,
    tell,
    write,
)

if TYPE_CHECKING:
    from provenance.ledger.status import ChainStatus
    from provenance.lineage import History

__all__ = ["descendants", "entry", "history", "init", "log", "show", "status"]

RefArgument = Annotated[
    str,
    typer.Argument(
        metavar="REF",
        help="A name, 8 or more digits of a digest, root or sha256, or a registered path.",
    ),
]


def init(
    origin: Annotated[
        str,
        typer.Option(
            "--origin", metavar="NAME", help="Of the log, for all time: example.com/ml, say."
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Gets a .provenance folder.")
    ] = Path(),
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql://… of an empty database for the log, else it is a file in DIR.",
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="s3://… or any URL of fsspec, for the trees of artifacts, else they are in DIR.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a ledger: keys, log, embedded chain and policy."""
    from provenance.ledger.ledger import Ledger

    with Ledger.init(
        folder, origin=origin, database=database, storage=storage, passphrase=new_passphrase()
    ) as ledger:
        if not ledger.keyring.encrypted:
            tell(
                f"warning: the keys in {ledger.folder.keys} are not encrypted; "
                f"set {PASSPHRASE} to have them so"
            )
        emit(
            as_json,
            {
                "origin": ledger.origin,
                "path": str(ledger.folder.path),
                "encrypted": ledger.keyring.encrypted,
            },
            [f"ledger {ledger.origin} in {ledger.folder.path}"],
        )


def status(as_json: Json = False) -> None:
    """Show how much is logged, checkpointed and anchored."""
    with open_ledger() as ledger:
        found, storage = ledger.status(), ledger.trees.storage
    emit(
        as_json,
        {
            "origin": found.origin,
            "size": found.size,
            "checkpoint_size": found.checkpoint_size,
            "artifacts": found.artifacts,
            "pending_outputs": found.pending_outputs,
            "storage": None if storage is None else storage.place,
            "chains": [
                {
                    "name": chain.name,
                    "embedded": chain.embedded,
                    "size": chain.size,
                    "state": chain.state,
                    "block": chain.block,
                    "block_time": moment(chain.block_time),
                    "sent": chain.sent,
                }
                for chain in found.chains
            ],
        },
        [
            f"origin        {found.origin}",
            f"artifacts     {found.artifacts}"
            + ("" if storage is None else f", their trees in {storage.place}"),
            f"logged        {found.size} entries",
            f"checkpointed  {found.checkpoint_size or 0} entries",
            *(f"anchored      {_chain_text(chain)}" for chain in found.chains),
            *(
                [f"pending       {found.pending_outputs} outputs, registered by the next anchor"]
                if found.pending_outputs
                else []
            ),
        ],
    )


def _chain_text(chain: ChainStatus) -> str:
    worth = f" ({EMBEDDED})" if chain.embedded else ""
    sent = f"; {chain.sent} sent, in no block" if chain.sent else ""
    if not chain.size:
        return f"nothing yet on {chain.name}{sent}{worth}"
    return (
        f"{chain.size} entries on {chain.name}, block {chain.block}, "
        f"{moment(chain.block_time)}, {chain.state}{sent}{worth}"
    )


def log(
    start: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="First entry; else the newest ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Entries at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List entries of the log, and how far each got."""
    with open_ledger() as ledger:
        first = max(ledger.status().size - limit, 0) if start is None else start
        lines = ledger.entries(start=first, limit=limit)
    emit(
        as_json,
        {
            "entries": [
                {
                    "index": line.index,
                    "kind": line.kind,
                    "subjects": list(line.subjects),
                    "issued": line.issued,
                    "state": line.state,
                }
                for line in lines
            ]
        },
        (
            f"{line.index:>6}  {line.state:<12}  {line.issued}  {line.kind:<9}  "
            f"{', '.join(line.subjects)}"
            for line in lines
        ),
    )


def entry(
    which: Annotated[
        str,
        typer.Argument(
            metavar="N|SHA256", help="The number of the entry, or the SHA-256 of its envelope."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show an entry of the log, and what was signed."""
    number = int(which) if which.isdecimal() and len(which) < 20 else None
    with open_ledger() as ledger:
        found = ledger.entry(number, envelope=None if number is not None else which)
    statement = None if found.signed is None else json.loads(found.signed.payload)
    artifacts = [digest.hex() for digest in found.entry.artifacts]
    signers = [] if found.signed is None else list(found.signed.keyids)
    emit(
        as_json,
        {
            "index": found.index,
            "kind": found.kind,
            "state": found.state,
            "envelope_hash": found.entry.envelope_hash.hex(),
            "artifacts": artifacts,
            "signers": signers,
            "statement": statement,
        },
        [
            f"entry {found.index}  {found.kind}, {found.state}",
            f"  envelope      {found.entry.envelope_hash.hex()}",
            *(f"  artifact      {digest}" for digest in artifacts),
            *(f"  signed by     {keyid}" for keyid in signers),
            "  erased" if statement is None else f"  {json.dumps(statement, ensure_ascii=False)}",
        ],
    )


def show(ref: RefArgument, as_json: Json = False) -> None:
    """Show what an artifact is, and what was signed about it."""
    with open_ledger() as ledger:
        artifact = ledger.resolve(ref)
        state = ledger.entries(start=artifact.index, limit=1)[0].state
    statement = json.loads(artifact.statement.to_bytes())
    predicate: dict[str, Any] = statement["predicate"]
    claims = {
        name: value
        for name, value in predicate.items()
        if name not in ("artifact", "nonce") and value not in ({}, [])
    }
    emit(
        as_json,
        {**artifact.to_json(), "state": state, "statement": statement},
        [
            artifact_line(artifact),
            f"  state         {state}",
            f"  root          {artifact.root}",
            *(f"  {name:<13} {value}" for name, value in artifact.digests.items()),
            *(
                f"  {name:<13} {value if isinstance(value, str) else json.dumps(value)}"
                for name, value in claims.items()
            ),
        ],
    )


Form = Annotated[
    Literal["text", "json", "mermaid", "dot"],
    typer.Option("--format", help="Mermaid and DOT draw it."),
]
Depth = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="Go so many steps; else all of them.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Statements on a page, at most; else there is one page."),
]
Cursor = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", help="Go on where the page before ended: its next_cursor."),
]


AsOf = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="SIZE", help="Only what the first SIZE entries of the log say; else all."
    ),
]


def history(
    ref: RefArgument,
    depth: Depth = None,
    limit: Limit = None,
    cursor: Cursor = None,
    as_of: AsOf = None,
    form: Form = "text",
    as_json: Json = False,
) -> None:
    """Show every statement from an artifact back to its sources, and how sure each arrow is."""
    with open_ledger() as ledger:
        found = ledger.history(ref, depth=depth, limit=limit, cursor=cursor, as_of=as_of)
    _show_walk(found, form, as_json)


def descendants(
    ref: RefArgument,
    depth: Depth = None,
    limit: Limit = None,
    cursor: Cursor = None,
    as_of: AsOf = None,
    form: Form = "text",
    as_json: Json = False,
) -> None:
    """Show what was made of an artifact: every step and batch of outputs from it on."""
    with open_ledger() as ledger:
        found = ledger.descendants(ref, depth=depth, limit=limit, cursor=cursor, as_of=as_of)
    _show_walk(found, form, as_json)


def _show_walk(found: History, form: str, as_json: bool) -> None:
    if as_json or form == "json":
        emit(True, found.to_json(), [])
        return
    if form == "mermaid":
        write(found.to_mermaid())
    else:
        write(found.to_text() if form == "text" else found.to_dot())
    if found.next_cursor is not None:
        tell(f"there is more: --cursor {found.next_cursor}")
