"""``keys``: the keys of a ledger, in its folder and in its log."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from provenance.cli.opening import old_passphrase, open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, tell, write
from provenance.errors import InputError
from provenance.statements import Kind

if TYPE_CHECKING:
    from provenance.signing import PublicKey

__all__ = ["keys"]

keys = typer.Typer(
    rich_markup_mode=None,
    help="Whose signatures the log takes, and the private keys here.",
)

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="A name, or the first digits of a key id.")
]


@keys.command("new")
def new_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the file, keys/NAME.pem.")],
    algorithm: Annotated[
        Literal["ed25519", "ecdsa-p256"], typer.Option(help="Of the key.")
    ] = "ed25519",
    as_json: Json = False,
) -> None:
    """Make a further private key. It counts once `keys add` has told the log."""
    with open_ledger(signing=True) as ledger:
        key = ledger.keyring.new(name, algorithm)
        if not ledger.keyring.encrypted:
            tell(f"warning: {ledger.folder.keys / name}.pem is not encrypted")
    _emit_key(as_json, name, key)


@keys.command("import")
def import_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A PEM private key, mode 0600.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the file, keys/NAME.pem.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in a private key that was made elsewhere, under the passphrase of this ledger."""
    from provenance.ledger.folder import Folder
    from provenance.signing import read_key_file, write_key_file

    name = name or file.stem
    if Path(name).name != name:
        raise InputError(f"{name!r} cannot name a key file")
    folder = Folder.find(Path())
    theirs, ours = old_passphrase(file), old_passphrase(folder.keys / "signer.pem")
    key = read_key_file(file, theirs.encode() if theirs else None)
    write_key_file(folder.keys / f"{name}.pem", key, ours.encode() if ours else None)
    if not ours:
        tell(f"warning: {folder.keys / name}.pem is not encrypted")
    _emit_key(as_json, name, key.public)


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys that the log knows, and from which entry on."""
    with open_ledger() as ledger:
        found = ledger.keys()
    emit(
        as_json,
        {
            "keys": [
                {
                    "name": key.name,
                    "keyid": key.keyid,
                    "algorithm": key.algorithm,
                    "role": key.role,
                    "state": key.state,
                    "kinds": list(key.kinds),
                    "entry": key.entry,
                }
                for key in found
            ]
        },
        (
            f"{key.keyid[:16]}  {key.role:<6}  {key.state:<7}  {key.algorithm:<10}  "
            f"entry {key.entry:<4}  {key.name}"
            + (f" ({', '.join(key.kinds)})" if key.kinds else "")
            for key in found
        ),
    )


@keys.command("add")
def add_key(
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="A PEM public key file, or the NAME of a key made here."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="In the log; by default the file's.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="What it may sign: dataset, say; repeatable; else all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a key sign from here on. Asks for the admin key."""
    kinds = [_kind(text) for text in kind or ()]
    file = Path(key)
    name = name or (file.stem if file.is_file() else key)
    with open_ledger(signing=True, signers=None if file.is_file() else [key]) as ledger:
        public = _read_public(file) if file.is_file() else ledger.keyring.signers[0].public
        index = ledger.add_key(public, name=name, kinds=kinds)
    emit(
        as_json,
        {"name": name, "keyid": public.keyid, "index": index},
        [f"entry {index}: {name} {public.keyid[:16]} may sign"],
    )


@keys.command("revoke")
def revoke_key(
    key: KeyArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")],
    compromised_since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="What it signed counts only if anchored earlier: 2026-01-31T12:00:00Z, say.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a key sign nothing more. Asks for the admin key."""
    since = None if compromised_since is None else _time(compromised_since)
    with open_ledger(signing=True) as ledger:
        index = ledger.revoke_key(key, reason=reason, compromised_since=since)
    emit(as_json, {"index": index}, [f"entry {index}: {key} is revoked"])


@keys.command("export")
def export_key(key: KeyArgument, as_json: Json = False) -> None:
    """Print the public key, as PEM."""
    from provenance.ledger.keys import find_key

    with open_ledger() as ledger:
        found = find_key(ledger.keys(), key)
    value = {"name": found.name, "keyid": found.keyid, "public_key": found.public_key}
    if as_json:
        emit(True, value, [])
    else:
        write(found.public_key)


def _read_public(file: Path) -> PublicKey:
    from provenance.signing import PublicKey

    try:
        return PublicKey.from_pem(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error


def _kind(text: str) -> Kind:
    known: tuple[Kind, ...] = get_args(Kind)
    if text not in known:
        raise InputError(f"no statement is of kind {text!r}; there are {', '.join(known)}")
    return text


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise InputError(f"{text!r} is no time with a zone, such as 2026-01-31T12:00:00Z")
    return time


def _emit_key(as_json: bool, name: str, key: PublicKey) -> None:
    emit(
        as_json,
        {"name": name, "keyid": key.keyid, "algorithm": key.algorithm, "public_key": key.to_pem()},
        [
            f"{name} {key.algorithm} {key.keyid}",
            f"it counts once the log knows it: provenance keys add {name}",
        ],
    )
