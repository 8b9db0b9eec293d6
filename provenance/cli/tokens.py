"""``tokens``: who may ask the service of a ledger, and for what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, seconds
from provenance.cli.output import emit, moment, tell

if TYPE_CHECKING:
    from provenance.ledger.tokens import Token

__all__ = ["tokens"]

tokens = typer.Typer(rich_markup_mode=None, help="Who may ask `provenance serve`, and for what.")


@tokens.command("new")
def new_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who gets it.")],
    scope: Annotated[
        Literal["read", "submit", "admin"],
        typer.Option(help="What it may be used for; each includes those before it."),
    ] = "read",
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From now: 12h, 90d; by default it never does."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token and show it, this once."""
    until = None
    if expires is not None:
        until = datetime.now(UTC) + timedelta(seconds=seconds("--expires", expires))
    with open_ledger() as ledger:
        token, text = ledger.tokens.new(name, scope=scope, expires=until)
    emit(as_json, {**_json(token), "token": text}, [text])
    if not as_json:
        tell("it is kept nowhere: whoever is to use it needs it now")


@tokens.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List every token that there ever was."""
    with open_ledger() as ledger:
        found = ledger.tokens.all()
    emit(as_json, {"tokens": [_json(token) for token in found]}, map(_line, found))


@tokens.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, or the name of it.")],
    as_json: Json = False,
) -> None:
    """Let a token count no more, from the next request on."""
    with open_ledger() as ledger:
        revoked = ledger.tokens.revoke(token)
    emit(as_json, _json(revoked), [f"the token {revoked.id} of {revoked.name!r} is revoked"])


def _json(token: Token) -> dict[str, Any]:
    times = {"created": token.created, "expires": token.expires, "revoked": token.revoked}
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "state": token.state,
        **{name: time and moment(time) for name, time in times.items()},
    }


def _line(token: Token) -> str:
    until = f"until {moment(token.expires)}" if token.expires else "without end"
    return (
        f"{token.id}  {token.scope:<6}  {token.state:<7}  from {moment(token.created)} {until}  "
        f"{token.name}"
    )
