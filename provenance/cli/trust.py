"""``policy`` and ``trust``: whom the ledger here trusts, and whom this user does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance import forms
from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, Rpc, pairs
from provenance.cli.output import EMBEDDED, emit, tell, write
from provenance.errors import LedgerError

if TYPE_CHECKING:
    from provenance.verification import Policy

__all__ = ["policy", "trust"]

policy = typer.Typer(
    rich_markup_mode=None,
    help="What others need to verify the bundles of the ledger here.",
)
trust = typer.Typer(
    rich_markup_mode=None,
    help="Whose ledgers you trust: policies of others, by origin.",
)


@policy.command("show")
def show_policy(as_json: Json = False) -> None:
    """Show whom the ledger here trusts, and what it demands."""
    with open_ledger() as ledger:
        found = ledger.policy()
    emit(as_json, _policy_json(found), _policy_lines(found))


@policy.command("export")
def export_policy(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the policy for others to trust; tell them the fingerprint another way."""
    with open_ledger() as ledger:
        found = ledger.policy()
    if output is not None:
        try:
            output.write_bytes(found.to_bytes() + b"\n")
        except OSError as error:
            raise LedgerError(f"cannot write {output}: {error.strerror}") from error
    if as_json:
        emit(True, _policy_json(found) | ({"file": str(output)} if output else {}), [])
    elif output is None:
        write(found.to_bytes().decode() + "\n")
        tell(f"fingerprint {found.fingerprint}")
    else:
        emit(False, None, [f"wrote {output}", f"fingerprint {found.fingerprint}"])


@trust.command("add")
def add_trust(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A policy that was exported.")],
    fingerprint: Annotated[
        str, typer.Option(metavar="HEX", help="Of the policy, as its owner told you.")
    ],
    rpc: Rpc = None,
    as_json: Json = False,
) -> None:
    """Trust a policy from now on, for its origin, if it has the fingerprint you were told."""
    from provenance.ledger import trust
    from provenance.ledger.checking import read_policy

    found = read_policy(file)
    trust.add(found, fingerprint=fingerprint, chains=pairs("--rpc", rpc))
    emit(
        as_json,
        {"origin": found.origin, "fingerprint": found.fingerprint},
        [f"trusted: {found.origin}"],
    )


@trust.command("list")
def list_trust(as_json: Json = False) -> None:
    """List whose ledgers you trust."""
    from provenance.ledger.trust import listed

    found = listed()
    emit(
        as_json,
        {
            "trusted": [
                {
                    "origin": trusted.policy.origin,
                    "fingerprint": trusted.policy.fingerprint,
                    "rpc": dict(trusted.chains),
                }
                for trusted in found
            ]
        },
        (f"{trusted.policy.fingerprint[:16]}  {trusted.policy.origin}" for trusted in found),
    )


@trust.command("remove")
def remove_trust(
    origin: Annotated[str, typer.Argument(metavar="ORIGIN", help="As `trust list` shows it.")],
    as_json: Json = False,
) -> None:
    """Trust nothing for an origin any more."""
    from provenance.ledger import trust

    trust.remove(origin)
    emit(as_json, {"origin": origin}, [f"not trusted any more: {origin}"])


def _policy_json(found: Policy) -> dict[str, Any]:
    return {"fingerprint": found.fingerprint, "policy": forms.encode(found)}


def _policy_lines(found: Policy) -> list[str]:
    lines = [
        f"origin       {found.origin}",
        f"fingerprint  {found.fingerprint}",
        f"minimum      {found.minimum}, {found.threshold} signer"
        + ("" if found.threshold == 1 else "s"),
    ]
    lines += [f"log key      {vkey}" for vkey in found.log_keys]
    for signer in found.signers:
        kinds = ", ".join(signer.kinds) or "every kind"
        lines.append(f"signer       {signer.name} {signer.key.keyid[:16]} ({kinds})")
    lines += [f"admin        {key.keyid[:16]}" for key in found.admins]
    lines += [f"witness      {witness}" for witness in found.witnesses]
    for pin in found.chains:
        worth = f" ({EMBEDDED})" if pin.embedded else ""
        lines.append(f"chain        {pin.name}: id {pin.chain_id}, {pin.contract}{worth}")
    return lines
