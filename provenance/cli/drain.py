"""``drain``: send what waits for a server in a pipeline's spool."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from provenance.cli.options import Json
from provenance.cli.output import emit

__all__ = ["drain"]


def drain(
    spool: Annotated[Path, typer.Argument(metavar="SPOOL", help="The pipeline's `spool=`.")],
    signer: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Key that signs outputs which a crash left; PEM."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Whose log it is to be, as strict JSON.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Send what waits in a spool until it is in the log.

    The token comes from PROVENANCE_TOKEN. What the server refuses stays, and all else is sent.
    """
    from provenance.client import connect
    from provenance.client.outbox import address_of

    token = os.environ.get("PROVENANCE_TOKEN")
    ledger = connect(address_of(spool), token=token, signer=signer, policy=policy, spool=spool)
    try:
        entries = ledger.drain()
    finally:
        ledger.close()
    count = len(entries)
    lines = [f"{count} statement{'' if count == 1 else 's'} sent to {address_of(spool)}"]
    emit(as_json, {"entries": entries}, lines)
