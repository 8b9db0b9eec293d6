"""Requests as they are written down: a line for each on standard error, and an id that is told.

::

    {"time": "2026-11-21T02:29:17.120Z", "level": "info", "request": "5f0e8c…", "method": "POST",
     "route": "/v1/artifacts/{ref}/proofs", "path": "/p/vision/v1/artifacts/train/proofs",
     "status": 200, "ms": 3.1, "bytes": 2817, "project": "vision", "token": "4c1f09ab"}

The answer has the same id in ``X-Request-Id``, a problem in ``instance``, and so has every line
that is written while the request is answered, a traceback's too. The id that a request brings is
kept where it is short and harmless, so that one id leads through several services.

Of a token its public half is written, never the secret; a body, a query and any other header never.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["REQUEST_ID", "Asked", "LogForm", "Logged", "asked", "came_with", "written"]

LogForm = Literal["json", "text"]

REQUEST_ID = "X-Request-Id"

_REQUEST_ID = REQUEST_ID.lower().encode()
_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TOKEN = re.compile(r"(plt_[0-9a-f]{8})_[A-Za-z0-9_-]+", re.ASCII)

_log = logging.getLogger("api.requests")
_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


@dataclass
class Asked:
    """What is known of the request that is being answered.

    Attributes:
        id: its own, or the one that it brought.
        token: the id of the token that it came with, once that is known.
    """

    id: str
    token: str | None = None


def asked() -> Asked | None:
    """Return the request that is being answered here, in this task or for it in a thread."""
    return _asked.get()


def came_with(token: str) -> None:
    """Note the id of the token that the request came with."""
    request = asked()
    if request is not None:
        request.token = token


def _new_id() -> str:
    """Return a UUID: one of a kind and no secret: the system is not asked for it."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


class Logged:
    """Part of the service that is around all others: gives each request its id, writes its line,
    and has it counted by the service over the ledger that it met.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = next((value for name, value in scope["headers"] if name == _REQUEST_ID), b"")
        request = Asked(brought.decode() if _HARMLESS.fullmatch(brought) else _new_id())
        # Never taken back: the task is the request's own, and what the server around writes of its
        # failure belongs to it, too.
        _asked.set(request)
        method, begun = scope["method"], time.perf_counter()
        status: int | None = None
        sent = 0

        async def send_counted(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((_REQUEST_ID, request.id.encode()))
            else:
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path_format", None)
            state = getattr(scope.get("app"), "state", None)
            seconds = time.perf_counter() - begun
            if metrics := getattr(state, "metrics", None):
                metrics.count(route, method, status, seconds)
            fields = {
                "method": method,
                "route": route,
                "path": quote(scope["path"]),
                "status": status,  # None: whoever asked went away
                "ms": round(seconds * 1000, 1),
                "bytes": sent,
                "project": getattr(state, "project", None),
                "token": request.token,
            }
            level = logging.ERROR if status is not None and status >= 500 else logging.INFO
            if _log.isEnabledFor(level):
                _write(level, "%s %s: %s", (method, fields["path"], status), fields)


def _write(level: int, text: str, args: tuple[object, ...], fields: dict[str, Any]) -> None:
    """Log, and not by `Logger.log`: to look for who calls takes as long as to write the line."""
    known = {"name": _log.name, "levelno": level, "levelname": logging.getLevelName(level)}
    _log.handle(logging.makeLogRecord(known | {"msg": text, "args": args, "fields": fields}))


@contextmanager
def written(form: LogForm) -> Iterator[None]:
    """Write what is logged to standard error while this is open: JSON, or text for a person."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root, own = logging.getLogger(), logging.getLogger("api")
    level = own.level
    root.addHandler(handler)
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        own.setLevel(level)
        root.removeHandler(handler)


class _Form(logging.Formatter):
    """What both forms share."""

    def members(self, record: logging.LogRecord) -> dict[str, Any]:
        """Return what is told of a record, without what is not known."""
        moment = datetime.fromtimestamp(record.created, UTC)
        request = asked()
        told = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "request": None if request is None else request.id,
        }
        told |= getattr(record, "fields", None) or {
            "logger": record.name,
            "message": record.getMessage(),
            "traceback": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return {name: value for name, value in told.items() if value is not None}


class _Json(_Form):
    """A line of JSON, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(json.dumps(self.members(record)))


class _Text(_Form):
    """A line for a person; what belongs to it on further lines, a traceback, is indented."""

    def format(self, record: logging.LogRecord) -> str:
        told = self.members(record)
        if "path" in told:
            told["ms"] = f"{told['ms']} ms"
            told["bytes"] = f"{told['bytes']} bytes"
            told.pop("route", None)
        text = " ".join(str(value) for value in told.values())
        if not text.isprintable():
            text = "".join(map(_shown, text.replace("\n", "\n    ")))
        return _without_secrets(text)


def _shown(char: str) -> str:
    """Return a character, or an escape for one that could act on a terminal."""
    if char.isprintable() or char == "\n":
        return char
    return char.encode("unicode_escape", "surrogatepass").decode()


def _without_secrets(text: str) -> str:
    """Return `text` without the secret half of tokens: one may stand in a path by mistake."""
    return _TOKEN.sub(r"\1_...", text)
