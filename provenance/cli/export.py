"""``export``: what a ledger knows, in the words of other tools."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from provenance.cli.ledger import AsOf, RefArgument
from provenance.cli.opening import old_passphrase, open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, tell, write, write_whole
from provenance.errors import InputError

if TYPE_CHECKING:
    from provenance.lineage import History
    from provenance.signing import PrivateKey

__all__ = ["export"]


def export(
    ref: RefArgument,
    form: Annotated[
        Literal["slsa", "prov", "openlineage", "croissant", "cyclonedx", "oms"],
        typer.Option(
            "--format",
            help="Of steps, SLSA provenance v1, OpenLineage events, or W3C PROV-JSON; "
            "of a data set, Croissant; of a model, a CycloneDX ML-BOM, or an OpenSSF model "
            "signature.",
        ),
    ],
    depth: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Go so many steps back; else all, none of slsa and croissant."
        ),
    ] = None,
    as_of: AsOf = None,
    files: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Of oms: the model's folder or file, to be signed."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of oms: a PEM private key over P-256, mode 0600. Of slsa: sign by this one.",
        ),
    ] = None,
    send: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of openlineage: post the events to this server."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write what an artifact is, or what made it, for tools that read other formats.

    Unsigned, but for a model signature, and SLSA provenance where a key is given. The token of a
    server that events are sent to comes from OPENLINEAGE_API_KEY.
    """
    if send is not None and (form != "openlineage" or output is not None):
        raise InputError("--send is for --format openlineage, and not for a file as well")
    if form == "oms":
        if files is None or key is None:
            raise InputError("a model signature needs the model's --files, and a --key to sign by")
        if depth is not None:
            raise InputError("a model signature is of the model alone: it has no --depth")
        documents = [_signature(ref, files, key, output, as_of)]
    else:
        if files is not None:
            raise InputError("--files is for --format oms: no other is of files")
        if key is not None and form != "slsa":
            raise InputError("--key is for --format oms and slsa: nothing else is signed")
        with open_ledger() as ledger:
            back = 0 if depth is None and form in ("slsa", "croissant") else depth
            history = ledger.history(ref, depth=back, as_of=as_of)
            documents = _documents(history, ledger.origin, form)
            if send is not None:
                from provenance.lineage.emitting import send_events

                send_events(history.to_openlineage(ledger.origin), send, os.environ)
        if key is not None:
            documents = _enveloped(documents, key)
    if not documents:
        raise InputError(
            "no step there succeeded under signatures that count"
            if form == "slsa"
            else "there is no step there"
        )
    lines = "".join(json.dumps(each) + "\n" for each in documents)
    if send is not None:
        emit(as_json, {"format": form, "sent": len(documents)}, [f"sent {len(documents)} events"])
    elif output is not None:
        write_whole(output, lines.encode())
        emit(as_json, {"format": form, "file": str(output)}, [f"wrote {output}"])
    elif as_json:
        emit(True, {"format": form, "documents": documents}, [])
    else:
        write(lines)


def _signature(
    ref: str, files: Path, key: Path, output: Path | None, as_of: int | None
) -> dict[str, Any]:
    from provenance.lineage.model_signature import sign_model
    from provenance.lineage.registrations import registration
    from provenance.statements import Model

    with open_ledger() as ledger:
        history = ledger.history(ref, depth=0, as_of=as_of)
    event, end = registration(history, Model), history.end(history.artifact)
    statement = event.statement
    if not isinstance(statement.predicate, Model):
        raise InputError(
            f"{ref} is registered as {statement.kind}: a model signature is of a model"
        )
    if end.superseded is not None:
        tell(f"warning: entry {end.superseded} says that {ref} is not to be used any more")
    if event.revoked:
        tell(f"warning: the signature under entry {event.index}, which registers it, is revoked")
    signed = sign_model(statement, files, _private(key), output=output)
    return cast(dict[str, Any], json.loads(signed))


def _enveloped(statements: list[dict[str, Any]], key: Path) -> list[dict[str, Any]]:
    """Return each statement in a DSSE envelope."""
    from provenance import forms
    from provenance.signing import sign

    private = _private(key)
    return [json.loads(sign(forms.canonical(each), [private]).to_bytes()) for each in statements]


def _private(key: Path) -> PrivateKey:
    from provenance.signing import read_key_file

    passphrase = old_passphrase(key)
    return read_key_file(key, passphrase.encode() if passphrase else None)


def _documents(history: History, origin: str, form: str) -> list[dict[str, Any]]:
    if form == "slsa":
        return history.to_slsa(origin)
    if form == "croissant":
        return [history.to_croissant(origin)]
    if form == "cyclonedx":
        return [history.to_cyclonedx(origin)]
    if form == "openlineage":
        events = history.to_openlineage(origin)
        from openlineage.client.serde import Serde

        return [Serde.to_dict(event) for event in events]
    return [json.loads(str(history.to_prov(origin).serialize(format="json")))]
