"""``serve``: answer over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit
from provenance.errors import InputError

__all__ = ["Host", "Port", "load_serving", "serve"]

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="To listen at.")]
Port = Annotated[
    int, typer.Option(min=0, max=65535, metavar="N", help="To listen at; 0: any that is free.")
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
    host: Host = "127.0.0.1",
    port: Port = 8000,
    as_json: Json = False,
) -> None:
    """Answer over HTTP, until a signal ends it."""
    serving = load_serving()
    with open_ledger(signing=True) as ledger:
        serving.serve(
            ledger,
            host,
            port,
            listening=lambda url: emit(as_json, {"url": url}, [f"listening at {url}"]),
        )
