"""``serve``: answer over HTTP."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json
from provenance.cli.output import emit
from provenance.errors import InputError

__all__ = ["serve"]


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="To listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="To listen at; 0: any that is free.")
    ] = 8000,
    as_json: Json = False,
) -> None:
    """Answer over HTTP, until a signal ends it."""
    # By name, since nothing of this package depends on the service that stands on top of it.
    try:
        serving = import_module("api.serving")
    except ImportError as error:
        raise InputError(
            f"serving needs {error.name}: pip install 'provenance-ledger[api]'"
        ) from error
    with open_ledger(signing=True) as ledger:
        serving.serve(
            ledger,
            host,
            port,
            listening=lambda url: emit(as_json, {"url": url}, [f"listening at {url}"]),
        )
