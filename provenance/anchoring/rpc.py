"""Write to a chain through any node: public, private or a consortium's.

Reading is `RpcReader`'s, strict and with the standard library alone; web3 estimates, prices,
signs, sends and waits. ::

    chain = RpcChain("https://node.example/…", account)

What has to work: EIP-1559 fees and chains without them, a gas price of zero, proof-of-authority
headers, no ``finalized`` tag. A transaction takes the account's next nonce *by mined blocks*: so
one that got stuck is replaced by the next attempt, at a higher price, and can never be mined beside
it. That asks for one sender at a time for each account.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from provenance.anchoring.contract import Chain, Mined, Receipt, refusal
from provenance.anchoring.jsonrpc import NodeRefusedError, RpcReader
from provenance.anchoring.recursion import recursion_limit_kept
from provenance.errors import ChainError, ChainUnreachableError, InputError

with recursion_limit_kept():
    import requests
    from eth_account import Account
    from eth_utils.exceptions import ValidationError
    from hexbytes import HexBytes
    from web3 import HTTPProvider, Web3
    from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception, Web3RPCError
    from web3.types import TxParams, Wei

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["RpcChain"]

SMALLEST_WINDOW = 256
"""Blocks of one log query; every provider allows more than that."""

PRICE_RAISES = 8
"""Each by a quarter, so a stuck transaction is outbid up to six times its price."""


class RpcChain(RpcReader, Chain):
    """A chain behind a node, and an account on it that pays for what is sent."""

    def __init__(
        self,
        url: str,
        account: LocalAccount | bytes,
        *,
        timeout: float = 10.0,
        patience: float = 120.0,
    ) -> None:
        """Name node and account; nothing is sent yet.

        Args:
            url: as for `RpcReader`.
            account: an eth-account account, or a private key of 32 bytes.
            timeout: seconds for one exchange with the node.
            patience: seconds until a transaction must be mined.

        Raises:
            InputError: not such a URL or key.
        """
        super().__init__(url, timeout)
        self._account = _local_account(account)
        self._patience = patience
        provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None
        )
        provider.global_ccip_read_enabled = False  # no contract sends us to an address of its own
        self._web3 = Web3(provider)

    @property
    def address(self) -> str:
        """The sending account."""
        return self._account.address.lower()

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
                tx_hash = self._bytes(log.get("transactionHash"), "eth_getLogs")
                return Receipt(tx_hash, block, self.block_time(block))
            end = begin - 1
        return None

    def _send(self, to: str | None, data: bytes) -> Mined:
        with self._mapping():
            transaction = self._transaction(to, data)
            tx_hash = self._submit(transaction)
            try:
                mined = self._web3.eth.wait_for_transaction_receipt(
                    HexBytes(tx_hash), timeout=self._patience, poll_latency=0.1
                )
            except TimeExhausted:
                raise ChainUnreachableError(
                    f"{self.name} has not mined 0x{tx_hash.hex()} within {self._patience:g} "
                    "seconds; it may still do so: call again"
                ) from None
            block = int(mined["blockNumber"])
            if mined["status"] != 1:
                self._web3.eth.call(transaction, block)  # says why, as an exception
                raise refusal(self.name, b"", f"0x{tx_hash.hex()} failed in block {block}")
            address = mined.get("contractAddress")
            created = None if address is None else str(address).lower()
        return Mined(Receipt(tx_hash, block, self.block_time(block)), created)

    def _transaction(self, to: str | None, data: bytes) -> TxParams:
        eth = self._web3.eth
        transaction: TxParams = {
            "from": self._account.address,
            "chainId": self.chain_id(),
            "data": data,
            "value": Wei(0),
            "nonce": eth.get_transaction_count(self._account.address, "latest"),
        }
        if to is not None:
            transaction["to"] = Web3.to_checksum_address(to)
        # The estimate finds a refusal before anything is paid. A quarter more, since the exact
        # path through the contract depends on a state that may move on until it is mined.
        transaction["gas"] = eth.estimate_gas(transaction) * 5 // 4
        transaction.update(self._prices())
        return transaction

    def _prices(self) -> TxParams:
        """Return what to offer for gas, by the rules of the newest block."""
        price = self._quantity(self._ask("eth_gasPrice"), "eth_gasPrice")
        block = self._ask("eth_getBlockByNumber", "latest", False)
        if not isinstance(block, dict):
            raise self._garbage("eth_getBlockByNumber", block)
        if block.get("baseFeePerGas") is None:
            return {"gasPrice": Wei(price)}
        try:
            tip = self._quantity(self._ask("eth_maxPriorityFeePerGas"), "eth_maxPriorityFeePerGas")
        except NodeRefusedError:
            tip = 0  # the method is not everywhere; where it is not, nobody expects a tip
        tip = min(tip, price)  # a chain that is free says so by its price alone
        base_fee = self._member(block, "baseFeePerGas")
        return {"maxFeePerGas": Wei(2 * base_fee + tip), "maxPriorityFeePerGas": Wei(tip)}

    def _submit(self, transaction: TxParams) -> bytes:
        for _ in range(PRICE_RAISES):
            signed = self._account.sign_transaction(cast(dict[str, Any], transaction))
            try:
                return bytes(self._web3.eth.send_raw_transaction(signed.raw_transaction))
            except Web3RPCError as error:
                said = str(error).lower()
                if "already known" in said or "already imported" in said:
                    return bytes(signed.hash)
                if "underpriced" not in said:
                    raise
            prices = cast(dict[str, int], transaction)
            for name in ("gasPrice", "maxFeePerGas", "maxPriorityFeePerGas"):
                if name in prices:
                    prices[name] = prices[name] * 5 // 4 + 1
        raise ChainError(f"{self.name} wants a higher price for a transaction than is offered")

    @contextmanager
    def _mapping(self) -> Iterator[None]:
        """Let no exception of web3 out, nor the URL that those of requests repeat."""
        try:
            yield
        except ChainError:
            raise
        except ContractLogicError as error:
            data = error.data if isinstance(error.data, str) else ""
            raise refusal(self.name, _bytes_of(data), str(error.message or "")) from None
        except Web3RPCError as error:
            raise NodeRefusedError(f"{self.name} refuses: {ascii(error.message)[:200]}") from None
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            later = not 400 <= status < 500 or status == 429
            kind = ChainUnreachableError if later else NodeRefusedError
            raise kind(f"{self.name} answers HTTP {status}") from None
        except (Web3Exception, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ChainError(
                f"{self.name} answers what web3 cannot read ({type(error).__name__})"
            ) from None
        except OSError as error:
            raise ChainUnreachableError(
                f"{self.name} does not answer ({type(error).__name__})"
            ) from None


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
