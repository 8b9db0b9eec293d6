"""The chains that a ledger is published on: adding one, its state, its account, handing it over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.anchoring import AnchorError, ChainPin, check_contract, latest_head
from provenance.errors import ChainError, ChainUnreachableError, InputError, LedgerError
from provenance.ledger.anchors import AnchorRecord
from provenance.ledger.catalog import Catalog
from provenance.ledger.chains import agree
from provenance.ledger.config import ChainConfig, check_chain_name, node_url, wei
from provenance.ledger.folder import Folder
from provenance.ledger.states import forget_chain
from provenance.log.log import Log

if TYPE_CHECKING:
    from provenance.anchoring.contract import Chain
    from provenance.anchoring.rpc import RpcChain
    from provenance.ledger.ledger import Ledger

__all__ = ["ChainReport", "Deployed", "accept", "account_of", "add", "deploy", "offer", "report"]


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A contract that was created.

    Attributes:
        chain_id: of the chain (EIP-155).
        contract: its address.
        code_sha256: of its code, as a policy pins it, 32 bytes.
        account: that paid.
    """

    chain_id: int
    contract: str
    code_sha256: bytes
    account: str


@dataclass(frozen=True, kw_only=True)
class ChainReport:
    """A chain as its node tells of it now, held against what the ledger knows.

    What is None was not asked, or is not there.

    Attributes:
        pin: what the policy pins.
        node: host or file that was asked.
        height: number of the newest block.
        final: number of the newest block that the chain calls final.
        account: that the ledger sends from; None where its key file does not open.
        balance: of the account, in wei.
        publisher: the account that anchors for the ledger, by the contract.
        offered_to: the account that may accept to be the next one.
        contract_size: entries of the newest head that the contract has.
        anchor: the newest that the ledger wrote down.
        wrong: what does not hold; empty if all does.
        unreachable: why the node could not be asked.
    """

    pin: ChainPin
    node: str
    height: int | None = None
    final: int | None = None
    account: str | None = None
    balance: int | None = None
    publisher: str | None = None
    offered_to: str | None = None
    contract_size: int | None = None
    anchor: AnchorRecord | None = None
    wrong: tuple[str, ...] = ()
    unreachable: str | None = None


def deploy(
    ledger: Ledger,
    url: str,
    *,
    account: str | PathLike[str] | None = None,
    max_fee: str | None = None,
) -> Deployed:
    """Create the contract on a chain, for any number of ledgers; nothing is configured.

    Raises:
        ChainError: the node does not answer, or the account cannot pay.
    """
    config = _account_file(ledger.folder, account)
    with _paying(ledger, url, config, max_fee) as chain:
        contract = chain.deploy()
        pin = chain.pin(contract, bytes(32), confirmations=1)
        return Deployed(
            chain_id=pin.chain_id,
            contract=contract,
            code_sha256=pin.code_sha256,
            account=chain.address,
        )


def add(
    ledger: Ledger,
    name: str,
    url: str,
    *,
    contract: str | None = None,
    confirmations: int = 12,
    account: str | PathLike[str] | None = None,
    max_fee: str | None = None,
) -> ChainPin:
    """As `Ledger.add_chain`."""
    check_chain_name(name)
    if confirmations < 1:
        raise InputError("a policy asks for 1 confirmation or more")
    with ledger.folder.alone("policy"):
        policy = ledger.policy()
        if name in {pin.name for pin in policy.chains}:
            raise InputError(f"the policy pins a chain {name!r} already")
        file = _account_file(ledger.folder, account)
        with _paying(ledger, url, file, max_fee) as chain:
            pin = _registered(ledger, chain, contract, confirmations, name)
        config = ChainConfig(
            url=url,
            chain_id=pin.chain_id,
            contract=pin.contract,
            confirmations=pin.confirmations,
            account=file,
            max_fee=max_fee,
        )
        forget_chain(ledger._database, name)  # of one that was called so and is gone
        ledger.chains.configure(name, config)
        # A crash here leaves a chain that is configured and not pinned: add it again.
        ledger.folder.trust(replace(policy, chains=(*policy.chains, pin)))
    return pin


def account_of(
    ledger: Ledger, name: str, account: str | PathLike[str] | None = None
) -> tuple[str, int]:
    """Return the address of the account that anchors to a chain, or of another, and its wei."""
    config = ledger.chains.configured(name)
    file = config.account if account is None else _account_file(ledger.folder, account)
    with ledger.chains.opened(config, ledger.keyring.account(file)) as chain:
        return chain.address, chain.balance()


def offer(ledger: Ledger, name: str, to: str) -> None:
    """Offer the publishing of this ledger on a chain to the account `to`; zero withdraws it.

    Until `to` accepts, everything stays as it is.

    Raises:
        RefusedError: the ledger's account is not the publisher there.
    """
    pin, config = _pinned(ledger, name)
    account = ledger.keyring.account(config.account)
    with (
        ledger.folder.alone(f"anchor-{name}"),
        ledger.chains.opened(config, account) as chain,
        ledger.chains.sending(chain, pin.chain_id),
    ):
        _check(pin, chain)
        chain.transfer_publisher(pin.contract, pin.ledger_id, to.lower())


def accept(ledger: Ledger, name: str, account: str | PathLike[str] | None = None) -> str:
    """Become the publisher of this ledger on a chain, and anchor from that account from now on.

    The history goes on where it is: heads, roots and ledger id stay. A crash in between leaves an
    account that is the publisher and not configured: accept once more.

    Args:
        ledger: whose it is.
        name: of the chain.
        account: key file of the new account; the configured one, if None.

    Returns:
        The account's address.

    Raises:
        RefusedError: it was not offered to this account.
    """
    from provenance.anchoring.contract import view

    pin, config = _pinned(ledger, name)
    file = config.account if account is None else _account_file(ledger.folder, account)
    secret = ledger.keyring.account(file)
    with ledger.folder.alone(f"anchor-{name}"), ledger.chains.opened(config, secret) as chain:
        _check(pin, chain)
        with ledger.chains.sending(chain, pin.chain_id):
            if view(chain, pin.contract, "publisherOf", pin.ledger_id) != (chain.address,):
                chain.accept_publisher(pin.contract, pin.ledger_id)
        with ledger.folder.alone("policy"):
            ledger.chains.configure(name, replace(config, account=file))
        return chain.address


def report(ledger: Ledger, name: str) -> ChainReport:
    """Ask the node of a chain how things are, and hold it against what the ledger knows."""
    pin, config = ledger.policy().pin(name), ledger.chains.configured(name)
    known = [anchor for anchor in ledger.anchors() if anchor.chain == name]
    found = ChainReport(pin=pin, node=config.shown, anchor=known[-1] if known else None)
    try:
        secret = ledger.keyring.account(config.account)
    except InputError:  # without its passphrase; everything else can still be looked at
        secret = None
    try:
        agree(config, pin)
        with ledger.chains.opened(config, secret) as chain:
            check_contract(pin, chain)
            if secret is not None:
                found = replace(found, account=chain.address, balance=chain.balance())
            return _compared(ledger, found, chain)
    except ChainUnreachableError as error:
        return replace(found, unreachable=str(error))
    except (AnchorError, ChainError, InputError, LedgerError) as error:
        return replace(found, wrong=(str(error),))


def _compared(ledger: Ledger, found: ChainReport, chain: Chain) -> ChainReport:
    from provenance.anchoring.contract import ZERO_ADDRESS, view

    pin, wrong = found.pin, list(found.wrong)
    head = latest_head(chain, pin.contract, pin.ledger_id)
    (publisher,) = view(chain, pin.contract, "publisherOf", pin.ledger_id)
    (offered_to,) = view(chain, pin.contract, "pendingPublisherOf", pin.ledger_id)
    if found.account not in (None, publisher):
        wrong.append(f"the account {found.account} is not the publisher, {publisher} is")
    with ledger._database.reading() as session:
        log = Log(session, ledger.origin)
        if head and (head.size > log.size or log.root(head.size) != head.root):
            wrong.append(f"the contract has a head of {head.size} entries that this log has not")
        newest = Catalog(session).newest_anchor(pin.name)
    if newest and newest.block is not None and chain.block_hash(newest.block) != newest.block_hash:
        wrong.append(f"block {newest.block}, which held the newest anchor, is gone: anchor again")
    return replace(
        found,
        height=chain.head(),
        final=chain.finalized(),
        publisher=publisher,
        offered_to=None if offered_to == ZERO_ADDRESS else offered_to,
        contract_size=head.size if head else 0,
        wrong=tuple(wrong),
    )


def _registered(
    ledger: Ledger, chain: RpcChain, contract: str | None, confirmations: int, name: str
) -> ChainPin:
    """Find or make the contract and the ledger's place in it; return what to pin."""
    from provenance.anchoring.contract import check_code

    contract = chain.deploy() if contract is None else contract.lower()
    check_code(chain, contract)
    ledger_id = chain.register(contract, sha256(ledger.origin.encode()).digest())
    return chain.pin(contract, ledger_id, name=name, confirmations=confirmations)


@contextmanager
def _paying(
    ledger: Ledger, url: str, account: str | None, max_fee: str | None
) -> Iterator[RpcChain]:
    """Send through a node that is not configured yet; errors name the account that has to pay."""
    from provenance.anchoring.jsonrpc import NodeRefusedError
    from provenance.anchoring.rpc import RpcChain

    chain = RpcChain(node_url(url), ledger.keyring.account(account), max_fee=wei(max_fee))
    try:
        with ledger.chains.sending(chain, chain.chain_id()):
            yield chain
    except NodeRefusedError as error:
        raise ChainError(f"{error}; the ledger's account is {chain.address}") from error


def _pinned(ledger: Ledger, name: str) -> tuple[ChainPin, ChainConfig]:
    config = ledger.chains.configured(name)
    pin = ledger.policy().pin(name)
    agree(config, pin)
    return pin, config


def _check(pin: ChainPin, chain: Chain) -> None:
    try:
        check_contract(pin, chain)
    except AnchorError as error:
        raise ChainError(f"{error}: nothing was sent") from error


def _account_file(folder: Folder, path: str | PathLike[str] | None) -> str | None:
    """Return how ``config.toml`` names a key file: seen from the ledger's folder."""
    if path is None:
        return None
    absolute = Path(path).absolute()
    within = folder.path.absolute()
    return str(absolute.relative_to(within) if absolute.is_relative_to(within) else absolute)
