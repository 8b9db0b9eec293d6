"""What holds for every answer: headers that a browser obeys, and no exception that gets out."""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import INTERNAL

__all__ = ["HEADERS", "Guard"]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Sent unless a route says otherwise."""

_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

_log = logging.getLogger("api")


class Guard:
    """Outermost part of the service."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        method = scope["method"]
        head = method == "HEAD"
        if head:
            # The same headers, and no body (RFC 9110). In place: what is around this part reads
            # from the scope which route it was.
            scope["method"] = "GET"
        sent = Headers(scope=scope)
        unread = sent.get("content-length", "0") != "0" or "transfer-encoding" in sent

        async def receive_watched() -> Message:
            nonlocal unread
            message = await receive()
            unread = bool(message.get("more_body"))
            return message

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                scope["method"] = method  # by which the server tells whether a body is to follow
                headers = message.setdefault("headers", [])
                said = {name for name, _ in headers}
                headers += [header for header in _HEADERS if header[0] not in said]
                if unread:  # else the rest of the body would be read to its end, if it has one
                    headers.append((b"connection", b"close"))
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive_watched, send_guarded)
        except ClientDisconnect:
            return
        except Exception:
            if started:
                raise
            # The traceback goes to the server's log, and nothing of it to the caller.
            _log.exception("%s %s failed", scope["method"], scope["path"])
            await INTERNAL.response()(scope, receive, send_guarded)
