"""``witness``: be one, or have the ledger here cosigned by some."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.opening import new_passphrase, old_passphrase, open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit, moment, tell
from provenance.cli.serve import Host, Log, Port, load_serving

if TYPE_CHECKING:
    from provenance.ledger.witnesses import WitnessAnswer
    from provenance.witness import WatchedLog

__all__ = ["witness"]

witness = typer.Typer(
    rich_markup_mode=None,
    help="Be a witness (init, watch, show, serve), or ask some (add, list, ask).",
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The witness's folder.")]


# --- be one ---------------------------------------------------------------------------------------


@witness.command("init")
def init_witness(
    folder: Folder,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="In its cosignatures: example.com/witness, say.")
    ],
    as_json: Json = False,
) -> None:
    """Make a witness: a key, and a record of what it has seen."""
    from provenance.witness import Witness

    with Witness.init(folder, name=name, passphrase=new_passphrase()) as made:
        emit(as_json, {"path": str(folder), "vkey": str(made.vkey)}, [str(made.vkey)])


@witness.command("watch")
def watch(
    folder: Folder,
    vkeys: Annotated[
        list[str], typer.Argument(metavar="VKEY...", help="Keys of logs, as their policies say.")
    ],
    origin: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the log, where it is not the name of its key."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch logs from now on: cosign their checkpoints when they ask."""
    from provenance.witness import Witness

    with Witness.open(folder) as opened:
        opened.watch(*vkeys, origin=origin)
        found = opened.logs()
    emit(as_json, {"logs": [_log_json(log) for log in found]}, _log_lines(found))


@witness.command("show")
def show(folder: Folder, as_json: Json = False) -> None:
    """Show the witness's key, and how far it has seen each log."""
    from provenance.witness import Witness

    with Witness.open(folder) as opened:
        vkey, found = str(opened.vkey), opened.logs()
    emit(
        as_json,
        {"vkey": vkey, "logs": [_log_json(log) for log in found]},
        [vkey, *_log_lines(found)],
    )


@witness.command("serve")
def serve_witness(
    folder: Folder,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    log: Log = "text",
    as_json: Json = False,
) -> None:
    """Answer logs over HTTP, until a signal ends it."""
    from provenance.witness import Witness

    serving = load_serving()
    with Witness.open(folder, passphrase=old_passphrase(folder / "key.pem")) as opened:
        serving.serve_witness(
            opened,
            host,
            port,
            log=log,
            listening=lambda url: emit(as_json, {"url": url}, [f"listening at {url}"]),
        )


def _log_json(log: WatchedLog) -> dict[str, Any]:
    return {
        "origin": log.origin,
        "keys": list(log.keys),
        "size": log.size,
        "root": log.root.hex() if log.root else None,
        "time": _time(log.time),
        "contradiction": list(log.contradiction) if log.contradiction else None,
    }


def _log_lines(logs: list[WatchedLog]) -> Iterator[str]:
    for log in logs:
        if log.root is None:
            yield f"{log.origin}: nothing cosigned yet"
        else:
            yield f"{log.origin}: {log.size} entries, root {log.root.hex()}, {_time(log.time)}"
        if log.contradiction:
            yield f"{log.origin} signed two histories, one cosigned and one refused:"
            for note in log.contradiction:
                yield from ("", *note.rstrip().split("\n"))


# --- ask some -------------------------------------------------------------------------------------


@witness.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Its submission prefix.")],
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="Its key, as its operator tells it.")],
    as_json: Json = False,
) -> None:
    """Ask a witness from now on, and count it in the policy of the ledger here.

    The witness must watch this log: its operator is told the log's key, which the policy shows.
    """
    with open_ledger() as ledger:
        ledger.add_witness(name, url, vkey)
        log_keys = ledger.policy().log_keys
    emit(
        as_json,
        {"name": name, "url": url, "vkey": vkey, "log_keys": list(log_keys)},
        [f"witness {name} at {url}; it must watch {' '.join(log_keys)}"],
    )


@witness.command("list")
def list_witnesses(as_json: Json = False) -> None:
    """List the witnesses of the ledger here."""
    with open_ledger() as ledger:
        found = ledger.witnesses()
    emit(
        as_json,
        {"witnesses": [{"name": n, "url": w.url, "vkey": w.vkey} for n, w in found.items()]},
        (f"{name}  {witness.url}  {witness.vkey}" for name, witness in found.items()),
    )


@witness.command("ask")
def ask(
    need: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="K", help="Cosignatures that are enough; as the policy demands, if none."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign a checkpoint, and have it cosigned by all witnesses, asked at once.

    Run it again to ask those that did not answer.
    """
    with open_ledger(signing=True) as ledger:
        answers = ledger.cosign(need=need)
    emit(
        as_json,
        {"witnesses": [_answer_json(answer) for answer in answers]},
        (_answer_line(answer) for answer in answers if answer.time is not None),
    )
    if not as_json:
        for answer in answers:
            if answer.reason:
                tell(f"warning: {_answer_line(answer)}")


def _answer_json(answer: WitnessAnswer) -> dict[str, Any]:
    told: dict[str, Any] = {"name": answer.name, "size": answer.size, "time": _time(answer.time)}
    return told | ({"reason": answer.reason} if answer.reason else {})


def _answer_line(answer: WitnessAnswer) -> str:
    if answer.time is None:
        return f"{answer.name}: {answer.reason}"
    return f"{answer.name}: cosigned {answer.size} entries at {_time(answer.time)}"


def _time(time: int | None) -> str | None:
    return None if time is None else moment(datetime.fromtimestamp(time, UTC))
