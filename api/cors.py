"""Pages of other sites that may ask from a browser: those that the ledger's configuration names.

::

    [service]
    cors = ["https://registry.example"]

By the WHATWG Fetch standard. No cookie means anything here, so credentials are never allowed: a
page that asks sends a token, which it was given, or reads what everybody may read.
"""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.logs import REQUEST_ID

__all__ = ["allow_origins"]

METHODS = ("GET", "HEAD", "POST", "PATCH", "OPTIONS")
SENT = (
    "Authorization",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    REQUEST_ID,
)
READ = (
    "Location",
    "Provenance-Equal-Records",
    "Provenance-Record-Index",
    "Retry-After",
    "Tus-Extension",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Length",
    "Upload-Offset",
    REQUEST_ID,
)


def allow_origins(app: FastAPI, origins: Collection[str]) -> None:
    """Let pages of these origins ask; if there are none, nothing is said of any."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=READ,
        )
