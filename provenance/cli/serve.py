"""``serve``: answer over HTTP."""

from __future__ import annotations

from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from provenance.cli.opening import ledger_passphrase, open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit
from provenance.errors import InputError

__all__ = ["Host", "Log", "Port", "Proxies", "load_serving", "serve", "with_ledgers"]

Host = Annotated[
    str, typer.Option(metavar="ADDRESS", envvar="PROVENANCE_HOST", help="To listen at.")
]

Port = Annotated[
    int,
    typer.Option(
        min=0,
        max=65535,
        metavar="N",
        envvar="PROVENANCE_PORT",
        help="To listen at; 0: any that is free.",
    ),
]

Log = Annotated[
    Literal["text", "json"],
    typer.Option(
        envvar="PROVENANCE_LOG",
        help="How each request, and each error, is written to standard error.",
    ),
]

Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--proxy",
        metavar="ADDRESS",
        envvar="PROVENANCE_PROXY",
        help="Believe the X-Forwarded-For of this address or network; repeat it for several.",
    ),
]


def load_serving() -> Any:
    """Return what runs services, by name: nothing of this package depends on what is on top of it.

    Raises:
        InputError: what it needs is not installed.
    """
    try:
        return import_module("api.serving")
    except ImportError as error:
        raise InputError(
            f"serving needs {error.name}: pip install 'provenance-ledger[api]'"
        ) from error


def serve(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    projects: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            envvar="PROVENANCE_PROJECTS",
            help="Serve the ledger of each folder in DIR, at /p/<folder>/.",
        ),
    ] = None,
    public: Annotated[
        bool,
        typer.Option(
            "--public", envvar="PROVENANCE_PUBLIC", help="Let everybody read, without a token."
        ),
    ] = False,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            metavar="N",
            envvar="PROVENANCE_WORKERS",
            help="Processes that answer; one that dies is started again.",
        ),
    ] = 1,
    proxies: Proxies = None,
    log: Log = "text",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Explain what would be served to whom, and why; serve nothing."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Answer over HTTP, until a signal ends it.

    Whoever asks needs a token (`provenance tokens`), unless config.toml says of the ledger that it
    is public.
    """
    serving = load_serving()
    if check:
        from provenance.cli.explaining import explain

        raise typer.Exit(explain(context, serving, as_json))

    def listening(url: str) -> None:
        emit(as_json, {"url": url}, [f"listening at {url}"])

    options: dict[str, Any] = {"proxies": proxies or (), "log": log, "listening": listening}
    folders = {"": Path()} if projects is None else {p.name: p for p in with_ledgers(projects)}
    if workers > 1:
        passphrases = {name: ledger_passphrase(path) for name, path in folders.items()}
        opening = serving.Opening(folders, passphrases, public or None)
        serving.serve_by_workers(opening, workers, host, port, **options)
        return
    options["public"] = public or None
    with ExitStack() as opened:
        ledgers = {
            name: opened.enter_context(open_ledger(path, signing=True))
            for name, path in folders.items()
        }
        if projects is None:
            serving.serve(ledgers[""], host, port, **options)
        else:
            serving.serve_projects(ledgers, host, port, **options)


def with_ledgers(folder: Path) -> list[Path]:
    """Return the folders in `folder` that hold a ledger.

    Raises:
        InputError: it cannot be listed, or none does.
    """
    from provenance.ledger.folder import FOLDER

    try:
        found = [path for path in sorted(folder.iterdir()) if (path / FOLDER).is_dir()]
    except OSError as error:
        raise InputError(f"{folder} cannot be listed: {error.strerror}") from None
    if not found:
        raise InputError(f"no folder in {folder} holds a ledger: make one with `provenance init`")
    return found
