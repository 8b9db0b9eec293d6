"""``verifier``: the page that verifies in a browser, as a file."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from provenance.cli.options import Json
from provenance.cli.output import emit
from provenance.errors import LedgerError

__all__ = ["verifier"]


def verifier(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write it here.")
    ] = Path("verify.html"),
    as_json: Json = False,
) -> None:
    """Write a page that verifies proofs in any browser.

    One file that needs no server and loads nothing: open it from a disk, and drop a bundle, a
    record and a policy onto it. Tell others its sha256, which is the same for each copy.
    """
    from provenance.browser import page

    data = page()
    try:
        output.write_bytes(data)
    except OSError as error:
        raise LedgerError(f"cannot write {output}: {error.strerror}") from error
    digest = sha256(data).hexdigest()
    emit(as_json, {"file": str(output), "sha256": digest}, [f"wrote {output}", f"sha256 {digest}"])
