"""``backup`` and ``restore``: a copy of a ledger in use, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provenance.cli.options import Json
from provenance.cli.output import emit, progress, tell

__all__ = ["backup", "restore"]


def backup(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="A folder; it must not exist.")],
    with_keys: Annotated[
        bool,
        typer.Option(
            "--with-keys", help="The private keys, too: whoever has the copy can sign with them."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the ledger, while others write to it, into a new folder.

    All that was acknowledged before is in it. It can be checked where it lies: `provenance fsck
    DEST`, and `sha256sum --check SHA256SUMS` within it.
    """
    from provenance.upkeep.backup import backup

    with progress("copying") as bar:
        made = backup(dest, with_keys=with_keys, progress=bar)
    value = {**vars(made), "path": str(made.path)}
    lines = [
        f"{made.path}: {made.size} entries of {made.origin}, {made.files} files, "
        f"{made.length:,} bytes"
    ]
    if made.keys:
        lines.append(f"with {made.keys} private keys: keep it as you keep them")
    else:
        lines.append("without private keys: keep a copy of them elsewhere, or use --with-keys")
    if made.storage is not None:
        lines.append(f"without the trees in {made.storage}: they stay there, as they are")
    emit(as_json, value, lines)


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="What `backup` made.")],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="That gets the ledger; it has none.")
    ] = Path(),
    force: Annotated[
        bool,
        typer.Option("--force", help="Though somebody has seen more of the log, or is silent."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back, if it is whole and nobody has seen more of the log.

    Chains, witnesses and the monitor of this user are asked: a log that goes on from an old copy
    has two histories, which everybody can prove.
    """
    from provenance.cli.opening import old_passphrase
    from provenance.ledger.folder import FOLDER
    from provenance.upkeep.restore import restore

    passphrase = old_passphrase(source / FOLDER / "keys" / "log.pem")
    with progress("restoring") as bar:
        made = restore(source, folder, force=force, passphrase=passphrase, progress=bar)
    for warning in made.warnings:
        tell(f"warning: {warning}")
    value = {**vars(made), "folder": str(made.folder), "warnings": list(made.warnings)}
    emit(as_json, value, [f"{made.folder}: {made.size} entries of {made.origin}"])
