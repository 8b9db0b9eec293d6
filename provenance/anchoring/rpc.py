"""Write to a chain through any node: public, private or a consortium's.

Every exchange with the node is `RpcReader`'s, bounded and with the standard library alone; over it
web3 encodes what is sent and reads why a node refuses it. ::

    chain = RpcChain("https://node.example/…", account)

What has to work: EIP-1559 fees and chains without them, a gas price of zero, proof-of-authority
headers, no ``finalized`` tag. A transaction takes the account's next nonce *by mined blocks*: so
one that got stuck is replaced by the next attempt, at a higher price, and can never be mined beside
it. That asks for one sender at a time for each account.

With a cap, nothing is ever offered above it: a chain that is dearer is left alone until it is not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from provenance.anchoring.contract import Chain, Mined, Receipt, Sent, refusal
from provenance.anchoring.jsonrpc import NodeRefusedError, RpcReader
from provenance.anchoring.recursion import recursion_limit_kept
from provenance.errors import ChainError, ChainUnreachableError, InputError

with recursion_limit_kept():
    from eth_account import Account
    from eth_utils.exceptions import ValidationError
    from web3 import Web3
    from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError
    from web3.providers.base import JSONBaseProvider
    from web3.types import Nonce, RPCEndpoint, RPCResponse, TxParams, Wei

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["RpcChain"]

SMALLEST_WINDOW = 256
"""Blocks of one log query; every provider allows more than that."""

PRICE_RAISES = 8
"""Each by a quarter, so a stuck transaction is outbid up to six times its price."""

OUTBIDDING = "outbidding what is in flight on it takes"

PRICES = ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas")

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between two looks at a node that has not mined yet."""

LOOKS_AT_A_LOSS = 3
"""Of the nodes behind one URL, one may be a block behind the others."""


class RpcChain(RpcReader, Chain):
    """A chain behind a node, and an account on it that pays for what is sent."""

    def __init__(
        self,
        url: str,
        account: LocalAccount | bytes | None = None,
        *,
        timeout: float = 10.0,
        patience: float = 120.0,
        max_fee: int | None = None,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Name node and account; nothing is sent yet.

        Args:
            url: as for `RpcReader`.
            account: an eth-account account, or a private key of 32 bytes; without, only to read.
            timeout: seconds for one exchange with the node.
            patience: seconds until a transaction must be mined.
            max_fee: wei for a unit of gas that are offered at most.
            pause: waits for so many seconds; what it returns is true to wait no longer.

        Raises:
            InputError: not such a URL or key.
        """
        super().__init__(url, timeout)
        self._account = None if account is None else _local_account(account)
        self._patience = patience
        self._max_fee = max_fee
        self._pause = pause
        self._stuck = False
        self._floor: dict[str, int] = {}
        self._web3 = Web3(_Exchange(self._answer))

    @property
    def address(self) -> str:
        """The sending account."""
        return self._sender().address.lower()

    def balance(self) -> int:
        """Return what the account has to pay gas with, in wei."""
        with self._mapping():
            return int(self._web3.eth.get_balance(self._sender().address))

    def block_hash(self, number: int) -> bytes | None:
        """Return the hash of a canonical block; None where the chain is not that long."""
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        if block is None:
            return None
        if self._member(block, "number") != number:
            raise self._garbage("eth_getBlockByNumber", block)
        return self._hash(block.get("hash"), "eth_getBlockByNumber")

    def find(self, contract: str, ledger_id: bytes, size: int) -> Receipt | None:
        """Return where the head of `size` was anchored; None if it was not.

        Newest blocks first, in windows as large as the node allows.
        """
        topic = f"0x{size:064x}"
        end = self.head()
        width = end + 1
        while end >= 0:
            begin = max(0, end - width + 1)
            try:
                logs = self._logs(contract, ledger_id, begin, end, topic)
            except NodeRefusedError:
                if width <= SMALLEST_WINDOW:
                    raise
                width = max(SMALLEST_WINDOW, width // 8)
                continue
            for log in logs:
                block = self._member(log, "blockNumber")
                self._anchored(log, contract, ledger_id, block)
                tx_hash = self._hash(log.get("transactionHash"), "eth_getLogs")
                block_hash = self._hash(log.get("blockHash"), "eth_getLogs")
                return Receipt(tx_hash, block, block_hash, self.block_time(block))
            end = begin - 1
        return None

    def settle(self, in_flight: bytes | None = None) -> bool:
        """Wait for what this account has in flight, as long as for a transaction of its own."""
        with self._mapping():
            pending = self._web3.eth.get_transaction_count(self._sender().address, "pending")
            if pending <= self._next_nonce():
                return False
            for _ in self._looks():
                if self._next_nonce() >= pending:
                    return True
            self._stuck = True
            known = in_flight and self._ask("eth_getTransactionByHash", f"0x{in_flight.hex()}")
            if isinstance(known, dict):
                self._floor = {
                    name: _raised(self._member(known, name)) for name in PRICES if known.get(name)
                }
            return True

    # --- sending ------------------------------------------------------------------------------

    def _send(
        self, to: str | None, data: bytes, sending: Callable[[Sent], object] = lambda _: None
    ) -> Mined:
        with self._mapping():
            transaction = self._transaction(to, data)
            sent = self._submit(transaction, sending)
            mined = self._mined(sent)
            shown = f"0x{sent.tx_hash.hex()}"
            block = self._member(mined, "blockNumber")
            block_hash = self._hash(mined.get("blockHash"), "eth_getTransactionReceipt")
            if self._member(mined, "status") != 1:
                self._web3.eth.call(transaction, block)  # says why, as an exception
                raise refusal(self.name, b"", f"{shown} failed in block {block}")
            address = mined.get("contractAddress")
            created = None if address is None else str(address).lower()
        return Mined(Receipt(sent.tx_hash, block, block_hash, self.block_time(block)), created)

    def _transaction(self, to: str | None, data: bytes) -> TxParams:
        transaction: TxParams = {
            "from": self._sender().address,
            "chainId": self.chain_id(),
            "data": data,
            "value": Wei(0),
            "nonce": Nonce(self._next_nonce()),
        }
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        # The estimate finds a refusal before anything is paid. A quarter more, since the exact
        # path through the contract depends on a state that may move on until it is mined.
        transaction["gas"] = self._web3.eth.estimate_gas(transaction) * 5 // 4
        prices = cast(dict[str, int], self._prices())
        if any(self._floor.get(name, 0) > price for name, price in prices.items()):
            prices = {name: max(price, self._floor.get(name, 0)) for name, price in prices.items()}
            self._check_cap(max(prices.values()), OUTBIDDING)
        transaction.update(cast(TxParams, prices))
        return transaction

    def _prices(self) -> TxParams:
        """Return what to offer for gas, by the rules of the newest block."""
        price = self._quantity(self._ask("eth_gasPrice"), "eth_gasPrice")
        block = self._ask("eth_getBlockByNumber", "latest", False)
        if not isinstance(block, dict):
            raise self._garbage("eth_getBlockByNumber", block)
        if block.get("baseFeePerGas") is None:
            self._check_cap(price, "gas on it costs")
            return {"gasPrice": Wei(price)}
        try:
            tip = self._quantity(self._ask("eth_maxPriorityFeePerGas"), "eth_maxPriorityFeePerGas")
        except NodeRefusedError:
            tip = 0  # the method is not everywhere; where it is not, nobody expects a tip
        tip = min(tip, price)  # a chain that is free says so by its price alone
        base_fee = self._member(block, "baseFeePerGas")
        self._check_cap(base_fee + tip, "gas on it costs")
        most = 2 * base_fee + tip
        if self._max_fee is not None:
            most = min(most, self._max_fee)
        return {"maxFeePerGas": Wei(most), "maxPriorityFeePerGas": Wei(tip)}

    def _submit(self, transaction: TxParams, sending: Callable[[Sent], object]) -> Sent:
        prices = cast(dict[str, int], transaction)
        for _ in range(PRICE_RAISES):
            signed = self._sender().sign_transaction(cast(dict[str, Any], transaction))
            sent = Sent(bytes(signed.hash), prices["nonce"])
            sending(sent)
            try:
                answered = bytes(self._web3.eth.send_raw_transaction(signed.raw_transaction))
            except Web3RPCError as error:
                said = str(error).lower()
                known = "already known" in said or "already imported" in said
                if known and not self._stuck:
                    return sent
                if not known and "underpriced" not in said:
                    raise
            else:
                if answered != sent.tx_hash:
                    raise self._garbage("eth_sendRawTransaction", answered)
                return sent
            for name in PRICES:
                if name in prices:
                    prices[name] = _raised(prices[name])
            self._check_cap(max(prices.get(name, 0) for name in PRICES), OUTBIDDING)
        raise ChainError(f"{self.name} wants a higher price for a transaction than is offered")

    def _check_cap(self, price: int, what: str) -> None:
        if self._max_fee is not None and price > self._max_fee:
            raise ChainError(
                f"{self.name}: {what} {_gwei(price)} gwei, more than the cap of "
                f"{_gwei(self._max_fee)} gwei: nothing was sent. Try again later, or raise maxFee"
            )

    def _mined(self, sent: Sent) -> dict[str, Any]:
        """Wait for the receipt of a transaction, and return it."""
        shown, misses = f"0x{sent.tx_hash.hex()}", 0
        for _ in self._looks():
            taken = self._next_nonce() > sent.nonce
            receipt = self._ask("eth_getTransactionReceipt", shown)
            if isinstance(receipt, dict):
                return receipt
            if receipt is not None:
                raise self._garbage("eth_getTransactionReceipt", receipt)
            misses += taken
            if misses == LOOKS_AT_A_LOSS:
                raise ChainUnreachableError(
                    f"{self.name} mined another transaction of {self.address} in place of {shown}: "
                    "call again"
                )
        raise ChainUnreachableError(
            f"{self.name} has not mined {shown} within {self._patience:g} seconds; it may still do "
            "so: call again"
        )

    def _looks(self) -> Iterator[None]:
        """Yield until patience ends, with pauses that grow.

        Raises:
            ChainUnreachableError: who waits was told to wait no longer.
        """
        until = time.monotonic() + self._patience
        length = SHORTEST_PAUSE
        while True:
            yield
            if time.monotonic() > until:
                return
            if self._pause(length):
                raise ChainUnreachableError(f"{self.name} was not waited for: call again")
            length = min(length * 1.5, LONGEST_PAUSE)

    def _next_nonce(self) -> int:
        """Return the account's next nonce by mined blocks."""
        return int(self._web3.eth.get_transaction_count(self._sender().address, "latest"))

    def _sender(self) -> LocalAccount:
        if self._account is None:
            raise ChainError(f"{self.name} was opened without an account, only to read")
        return self._account

    def _hash(self, value: Any, method: str) -> bytes:
        found = self._bytes(value, method)
        if len(found) != 32:
            raise self._garbage(method, value)
        return found

    @contextmanager
    def _mapping(self) -> Iterator[None]:
        """Let no exception of web3 out."""
        try:
            yield
        except ChainError:
            raise
        except ContractLogicError as error:
            data = error.data if isinstance(error.data, str) else ""
            raise refusal(self.name, _bytes_of(data), str(error.message or "")) from None
        except Web3RPCError as error:
            raise NodeRefusedError(f"{self.name} refuses: {ascii(error.message)[:200]}") from None
        except (Web3Exception, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ChainError(
                f"{self.name} answers what web3 cannot read ({type(error).__name__})"
            ) from None


class _Exchange(JSONBaseProvider):
    """web3's way to the node: the reader's, with its bounds and without redirects."""

    global_ccip_read_enabled = False  # no contract sends us to an address of its own

    def __init__(self, answer: Callable[[str, Sequence[Any]], dict[str, Any]]) -> None:
        super().__init__()
        self._answer = answer

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        request = json.loads(self.encode_rpc_request(method, params))
        return cast(RPCResponse, self._answer(method, request["params"]))


def _raised(price: int) -> int:
    """Return a price for which a node replaces a transaction: most ask for a tenth more."""
    return price * 5 // 4 + 1


def _gwei(wei: int) -> str:
    """Return an amount of wei in gwei, exactly."""
    return f"{(Decimal(wei) / 10**9).normalize():f}"


def _bytes_of(data: str) -> bytes:
    """Return the bytes of 0x… hex; none where it is something else."""
    try:
        return bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        return b""


def _local_account(account: LocalAccount | bytes) -> LocalAccount:
    if not isinstance(account, bytes):
        return account
    try:
        return cast("LocalAccount", Account.from_key(account))
    except (ValueError, ValidationError):
        raise InputError("an account's private key is 32 bytes, below the curve's order") from None
