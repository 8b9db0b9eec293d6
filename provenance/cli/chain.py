"""``anchor`` and ``chain``: bringing tree heads to chains, and the chains themselves."""

from __future__ import annotations

import json
import signal
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from provenance.cli.opening import open_ledger
from provenance.cli.options import Json, seconds
from provenance.cli.output import EMBEDDED, anchor_json, emit, moment, shown, write

if TYPE_CHECKING:
    from provenance.anchoring import ChainPin
    from provenance.ledger.anchors import AnchorRecord
    from provenance.ledger.config import ChainConfig
    from provenance.ledger.publishing import ChainReport
    from provenance.ledger.rounds import Event

__all__ = ["anchor", "chain"]

WRONG, UNREACHABLE = 1, 3

chain = typer.Typer(
    rich_markup_mode=None,
    help="The chains that the ledger here is anchored to.",
)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Of the chain, as in config.toml.")
]
UrlArgument = Annotated[
    str,
    typer.Argument(metavar="URL", help="Of a node's JSON-RPC; env:VARIABLE takes it from there."),
]
Account = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Key of who sends: PEM, or an Ethereum keystore. Else the ledger's own.",
    ),
]
MaxFee = Annotated[
    str | None,
    typer.Option(metavar="GWEI", help="That a unit of gas may cost; above it nothing is sent."),
]


def anchor(
    chains: Annotated[
        list[str] | None,
        typer.Option(
            "--chain", metavar="NAME", help="To this one; repeat it. Else to all that are pinned."
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Keep doing so: 30s, 10m, 2h or 1d after each. One line for each event.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign a checkpoint, and record it on chain.

    What is logged by then was there no later than the block.
    """
    if every is not None:
        _keep_anchoring(chains or [], seconds("--every", every), as_json)
        return
    with open_ledger(signing=True) as ledger:
        anchors = ledger.anchor(*(chains or ()))
    emit(
        as_json,
        {"anchors": [anchor_json(anchor) for anchor in anchors]},
        (_anchor_line(anchor) for anchor in anchors),
    )


def _keep_anchoring(chains: list[str], every: int, as_json: bool) -> None:
    from provenance.ledger.rounds import Rounds

    def tell(event: Event) -> None:
        write(f"{json.dumps(_event_json(event)) if as_json else shown(_event_line(event))}\n")

    with open_ledger(signing=True) as ledger:
        rounds = Rounds(ledger, every, chains, tell)
        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, lambda *_: rounds.stop())
        rounds.run()


def _event_json(event: Event) -> dict[str, Any]:
    told = {
        "time": moment(event.time),
        "event": event.what,
        "chain": event.chain,
        "anchor": None if event.anchor is None else anchor_json(event.anchor),
        "witness": event.witness,
        "error": event.error,
        "again_in": event.again_in,
    }
    return {name: value for name, value in told.items() if value is not None}


def _event_line(event: Event) -> str:
    time = moment(event.time)
    if event.anchor is not None:
        return f"{time} {event.chain}: {_place(event.anchor)}"
    if event.witness is not None:
        return f"{time} witness {event.witness}: {event.error}"
    if event.error is not None:
        return f"{time} {event.error}; again in {event.again_in:g} s"
    return f"{time} {event.what}"


def _anchor_line(anchor: AnchorRecord) -> str:
    worth = f" ({EMBEDDED})" if anchor.embedded else ""
    return (
        f"{anchor.chain}: {anchor.size} entries in block {anchor.block}, "
        f"{moment(anchor.block_time)}, {anchor.state}{worth}"
    )


# --- chain --------------------------------------------------------------------------------------


@chain.command("add")
def add_chain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the chain.")],
    url: UrlArgument,
    contract: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="One that is there; else a new one is created."),
    ] = None,
    account: Account = None,
    confirmations: Annotated[
        int, typer.Option(min=1, metavar="N", help="Blocks until an anchor counts, its own too.")
    ] = 12,
    max_fee: MaxFee = None,
    as_json: Json = False,
) -> None:
    """Anchor to a further chain: register the ledger there, configure and pin it."""
    with open_ledger(signing=True) as ledger:
        pin = ledger.add_chain(
            name,
            url,
            contract=contract,
            confirmations=confirmations,
            account=account,
            max_fee=_price(max_fee),
        )
        configured = ledger.chains.configured(name)
    emit(as_json, _chain_json(pin, configured), _chain_lines(pin, configured))


@chain.command("list")
def list_chains(as_json: Json = False) -> None:
    """List the chains: where each is reached, and what the policy pins of it."""
    with open_ledger() as ledger:
        found = [(pin, ledger.chains.configured(pin.name)) for pin in ledger.policy().chains]
    emit(
        as_json,
        {"chains": [_chain_json(pin, configured) for pin, configured in found]},
        (line for pin, configured in found for line in _chain_lines(pin, configured)),
    )


@chain.command("deploy")
def deploy_contract(
    url: UrlArgument,
    account: Account = None,
    max_fee: MaxFee = None,
    as_json: Json = False,
) -> None:
    """Create the contract on a chain, for any number of ledgers; configure nothing."""
    from provenance.ledger.publishing import deploy

    with open_ledger(signing=True) as ledger:
        made = deploy(ledger, url, account=account, max_fee=_price(max_fee))
    emit(
        as_json,
        {
            "chain_id": made.chain_id,
            "contract": made.contract,
            "code_sha256": made.code_sha256.hex(),
            "account": made.account,
        },
        [
            f"contract     {made.contract}",
            f"code SHA-256 {made.code_sha256.hex()}",
            f"chain id     {made.chain_id}",
            f"paid by      {made.account}",
        ],
    )


@chain.command("status")
def show_status(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="All, if none is named.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask each node how things are there, and say what is wrong.

    Exit 0: all is well. 1: something is wrong. 3: a node does not answer.
    """
    from provenance.ledger.publishing import report

    with open_ledger(signing=True) as ledger:
        wanted = names or [pin.name for pin in ledger.policy().chains]
        found = [report(ledger, name) for name in wanted]
    emit(
        as_json,
        {"chains": [_report_json(one) for one in found]},
        (line for one in found for line in _report_lines(one)),
    )
    if any(one.wrong for one in found):
        raise typer.Exit(WRONG)
    if any(one.unreachable for one in found):
        raise typer.Exit(UNREACHABLE)


@chain.command("balance")
def show_balance(name: NameArgument, account: Account = None, as_json: Json = False) -> None:
    """Show the address of the account that sends, and what it has to pay with."""
    from provenance.ledger.publishing import account_of

    with open_ledger(signing=True) as ledger:
        address, wei = account_of(ledger, name, account)
    emit(
        as_json,
        {"chain": name, "account": address, "balance_wei": str(wei)},
        [f"{address}  {_ether(wei)} ether"],
    )


@chain.command("transfer-publisher")
def transfer_publisher(
    name: NameArgument,
    to: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Who may accept; the zero address: nobody.")
    ],
    as_json: Json = False,
) -> None:
    """Offer the ledger on one chain to another account, which then has to accept."""
    from provenance.ledger.publishing import offer

    with open_ledger(signing=True) as ledger:
        offer(ledger, name, to)
    emit(
        as_json,
        {"chain": name, "offered_to": to.lower()},
        [
            f"{name}: offered to {to.lower()}",
            f"  to accept: provenance chain accept-publisher {name} --account FILE",
        ],
    )


@chain.command("accept-publisher")
def accept_publisher(name: NameArgument, account: Account = None, as_json: Json = False) -> None:
    """Accept the ledger on one chain, and anchor from this account from now on.

    Heads, roots and ledger id stay: the history goes on where it is.
    """
    from provenance.ledger.publishing import accept

    with open_ledger(signing=True) as ledger:
        address = accept(ledger, name, account)
    emit(
        as_json,
        {"chain": name, "publisher": address},
        [f"{name}: {address} is the publisher"],
    )


# --- how it is shown ----------------------------------------------------------------------------


def _price(gwei: str | None) -> str | None:
    return None if gwei is None else f"{gwei} gwei"


def _ether(wei: int) -> str:
    return f"{(Decimal(wei) / 10**18).normalize():f}"


def _chain_json(pin: ChainPin, configured: ChainConfig) -> dict[str, Any]:
    return {
        "name": pin.name,
        "node": configured.shown,
        "embedded": pin.embedded,
        "chain_id": pin.chain_id,
        "contract": pin.contract,
        "ledger_id": pin.ledger_id.hex(),
        "code_sha256": pin.code_sha256.hex(),
        "confirmations": pin.confirmations,
        "account": configured.account,
        "max_fee": configured.max_fee,
    }


def _chain_lines(pin: ChainPin, configured: ChainConfig) -> list[str]:
    worth = f" ({EMBEDDED})" if pin.embedded else ""
    blocks = "block" if pin.confirmations == 1 else "blocks"
    cap = f", at most {configured.max_fee}" if configured.max_fee else ""
    return [
        f"{pin.name}: {configured.shown}{worth}",
        f"  chain id   {pin.chain_id}",
        f"  contract   {pin.contract}",
        f"  ledger id  {pin.ledger_id.hex()}",
        f"  counts     after {pin.confirmations} {blocks}{cap}",
    ]


def _report_json(one: ChainReport) -> dict[str, Any]:
    return {
        "name": one.pin.name,
        "node": one.node,
        "embedded": one.pin.embedded,
        "chain_id": one.pin.chain_id,
        "contract": one.pin.contract,
        "ledger_id": one.pin.ledger_id.hex(),
        "confirmations": one.pin.confirmations,
        "height": one.height,
        "final": one.final,
        "account": one.account,
        "balance_wei": None if one.balance is None else str(one.balance),
        "publisher": one.publisher,
        "offered_to": one.offered_to,
        "contract_size": one.contract_size,
        "anchor": None if one.anchor is None else anchor_json(one.anchor),
        "wrong": list(one.wrong),
        "unreachable": one.unreachable,
    }


def _report_lines(one: ChainReport) -> list[str]:
    worth = f" ({EMBEDDED})" if one.pin.embedded else ""
    lines = [f"{one.pin.name}: {one.node}{worth}"]
    lines += [f"  wrong      {wrong}" for wrong in one.wrong]
    if one.unreachable:
        lines.append(f"  silent     {one.unreachable}")
    if one.height is not None:
        final = "none named" if one.final is None else str(one.final)
        lines.append(f"  block      {one.height}, final {final}")
    if one.publisher is not None:
        offered = f", offered to {one.offered_to}" if one.offered_to else ""
        lines.append(f"  publisher  {one.publisher}{offered}")
    if one.account is not None:
        lines.append(f"  account    {one.account}, {_ether(one.balance or 0)} ether")
    if one.contract_size is not None:
        lines.append(f"  contract   {one.contract_size} entries")
    if one.anchor is not None:
        lines.append(f"  newest     {_place(one.anchor)}")
    return lines


def _place(anchor: AnchorRecord) -> str:
    if anchor.block is None:
        return f"{anchor.size} entries {anchor.state}, transaction 0x{anchor.tx_hash.hex()}"
    return f"{anchor.size} entries {anchor.state}, block {anchor.block}"
