"""Read a chain through any node's JSON-RPC, with the standard library alone.

`RpcReader` is the `ChainReader` of the verify half. It speaks the part of the Ethereum JSON-RPC
(execution-apis) that checking an anchor takes: ``eth_chainId``, ``eth_getCode``, ``eth_call``,
``eth_blockNumber``, ``eth_getBlockByNumber`` and, for one block, ``eth_getLogs``; and that of
keeping a proof of it, ``eth_getProof`` (EIP-1186)::

    → {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
    ← {"jsonrpc": "2.0", "id": 1, "result": "0x1406f40"}

The node is not trusted to be well-behaved: an answer is read up to a size and a moment, redirects
are not followed, and every number, hash and log must have its exact form and be the one that was
asked for. What fails to answer is a `ChainUnreachableError`; what answers wrongly a `ChainError`.
Neither repeats the URL beyond its host, since paths and queries of RPC URLs carry keys.

The tests run it against anvil and against a server that misbehaves in every way named here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from http.client import HTTPResponse
from typing import Any, cast

from provenance import forms
from provenance.anchoring.anchor import ANCHORED_TOPIC, Head
from provenance.errors import ChainError, ChainUnreachableError, MalformedError
from provenance.exchange.peer import Join, Peer, place
from provenance.exchange.posting import Endpoint, pieces, plain_url

__all__ = ["MAX_ANSWER", "NodeRefusedError", "RpcReader"]

MAX_ANSWER = 8 << 20
"""Bytes of an answer that are read at most. The largest, a block's transaction hashes, is 1 MB."""


class NodeRefusedError(ChainError):
    """The node is there, and will not: an error object, or an HTTP status of 4xx."""


class LimitedError(NodeRefusedError):
    """The node refuses so much at once, or so soon: "limit exceeded" (EIP-1474)."""


class RpcReader:
    """A chain as the node behind one URL tells it."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """Name the node; nothing is sent yet.

        Args:
            url: of a JSON-RPC endpoint, ``http://…`` or ``https://…``. From configuration only:
                never from a bundle or a request.
            timeout: seconds for one whole exchange, from connecting to the last byte.

        Raises:
            InputError: not such a URL.
        """
        parts = plain_url(url, "a node", query=True)
        self._name = f"{parts.scheme}://{place(parts)}"
        peer = Peer(self._name, timeout, unanswered=ChainUnreachableError, overlong=ChainError)
        self._node = Endpoint(url, "application/json", peer)

    @property
    def name(self) -> str:
        """Scheme, host and port of the node."""
        return self._name

    def chain_id(self) -> int:
        """Return the chain id (EIP-155)."""
        return self._quantity(self._ask("eth_chainId"), "eth_chainId")

    def code(self, contract: str) -> bytes:
        """Return the runtime code at an address; empty where there is none."""
        return self._bytes(self._ask("eth_getCode", contract, "latest"), "eth_getCode")

    def call(self, contract: str, data: bytes) -> bytes:
        """Return what the contract returns for `data` at the newest block."""
        transaction = {"to": contract, "data": _hex(data)}
        return self._bytes(self._ask("eth_call", transaction, "latest"), "eth_call")

    def head(self) -> int:
        """Return the number of the newest block."""
        return self._quantity(self._ask("eth_blockNumber"), "eth_blockNumber")

    def finalized(self) -> int | None:
        """Return the number of the newest final block; None where the node names none."""
        try:
            block = self._ask("eth_getBlockByNumber", "finalized", False)
        except LimitedError as error:
            raise ChainUnreachableError(f"{error}: ask again later") from None
        except NodeRefusedError:
            return None
        return None if block is None else self._member(block, "number")

    def block(self, number: int) -> dict[str, Any]:
        """Return a block as the node writes it; only its number was compared."""
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        if block is None:
            raise ChainError(f"{self._name} knows no block {number}")
        if (answered := self._member(block, "number")) != number:
            raise ChainError(f"{self._name} answers block {answered} instead of {number}")
        return cast(dict[str, Any], block)

    def block_time(self, number: int) -> int:
        """Return the time of a block, in seconds since 1970 (UTC)."""
        return self._member(self.block(number), "timestamp")

    def proof(
        self, contract: str, slot: bytes, block: int
    ) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Return the trie nodes that lead to an account, and on to one of its storage slots.

        `slot` is 32 bytes. A node prunes its state: of an old block it may know nothing any more.
        """
        answer = self._ask("eth_getProof", contract, [_hex(slot)], hex(block))
        try:
            account, (storage,) = answer["accountProof"], answer["storageProof"]
            lists = [list(account), list(storage["proof"])]
        except (TypeError, ValueError, KeyError):
            raise self._garbage("eth_getProof", answer) from None
        first, second = (tuple(self._bytes(x, "eth_getProof") for x in nodes) for nodes in lists)
        return first, second

    def anchored(self, contract: str, ledger_id: bytes, block: int) -> list[Head]:
        """Return the heads that `contract` reports, in this one block, for this ledger id."""
        logs = self._logs(contract, ledger_id, block, block)
        return [self._anchored(log, contract, ledger_id, block) for log in logs]

    def _logs(
        self, contract: str, ledger_id: bytes, first: int, last: int, *more_topics: str
    ) -> list[Any]:
        logs = self._ask(
            "eth_getLogs",
            {
                "fromBlock": hex(first),
                "toBlock": hex(last),
                "address": contract,
                "topics": [_hex(ANCHORED_TOPIC), _hex(ledger_id), *more_topics],
            },
        )
        if not isinstance(logs, list):
            raise self._garbage("eth_getLogs", logs)
        return logs

    def _anchored(self, log: Any, contract: str, ledger_id: bytes, block: int) -> Head:
        """Read one log; one that was not asked for is an error, not something to skip."""
        topics = log.get("topics") if isinstance(log, dict) else None
        if not isinstance(topics, list) or len(topics) != 3 or log.get("removed") is True:
            raise self._garbage("eth_getLogs", log)
        topic, ledger, size = (self._bytes(value, "eth_getLogs") for value in topics)
        data = self._bytes(log.get("data"), "eth_getLogs")
        if (
            str(log.get("address")).lower() != contract
            or self._member(log, "blockNumber") != block
            or (topic, ledger) != (ANCHORED_TOPIC, ledger_id)
            or (len(size), len(data)) != (32, 64)
        ):
            raise self._garbage("eth_getLogs", log)
        return Head(int.from_bytes(size, "big"), data[:32])

    # --- one exchange -------------------------------------------------------------------------

    def _ask(self, method: str, *params: Any) -> Any:
        answer = self._answer(method, params)
        if answer.get("error") is not None:
            refused = f"{self._name} refuses {method}: {_message(answer['error'])}"
            raise (LimitedError if _limited(answer["error"]) else NodeRefusedError)(refused)
        return answer["result"]

    def _answer(self, method: str, params: Sequence[Any]) -> dict[str, Any]:
        """Return the node's answer: with an ``error``, or else with a ``result``."""
        body = forms.canonical({"id": 1, "jsonrpc": "2.0", "method": method, "params": params})
        data = self._node.post(body, self._read)
        try:
            answer = forms.parse(data, what=f"the answer of {self._name}", cap=MAX_ANSWER)
        except MalformedError as error:
            raise ChainError(str(error)) from None
        if not isinstance(answer, dict) or answer.get("id") != 1:
            raise self._garbage(method, answer)
        if answer.get("error") is None and "result" not in answer:
            raise self._garbage(method, answer)
        return answer

    def _read(self, response: HTTPResponse, join: Join) -> bytes:
        """Return the body of a good answer; that of another is not read."""
        if not 200 <= response.status < 300:
            later = response.status == 429 or response.status >= 500
            kind = ChainUnreachableError if later else NodeRefusedError
            raise kind(f"{self._name} answers HTTP {response.status}")
        return join(pieces(response), MAX_ANSWER, "one question")

    def _quantity(self, value: Any, method: str) -> int:
        """Read a number: 0x and hex digits without leading zeros."""
        if isinstance(value, str) and re.fullmatch(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})", value):
            return int(value, 16)
        raise self._garbage(method, value)

    def _bytes(self, value: Any, method: str) -> bytes:
        """Read bytes: 0x and two hex digits for each."""
        if isinstance(value, str) and re.fullmatch(r"0x([0-9a-fA-F]{2})*", value):
            return bytes.fromhex(value[2:])
        raise self._garbage(method, value)

    def _member(self, value: Any, name: str) -> int:
        if not isinstance(value, dict):
            raise self._garbage(name, value)
        return self._quantity(value.get(name), name)

    def _garbage(self, what: str, value: Any) -> ChainError:
        return ChainError(f"{self._name} answers {ascii(value)[:80]} for {what}")


def _limited(error: Any) -> bool:
    """Tell "limit exceeded" from other refusals: it says nothing of the chain.

    Taken for another, it would pass for "this chain has no notion of final".
    """
    return isinstance(error, dict) and error.get("code") == -32005


def _message(error: Any) -> str:
    """Return what the node says, in a form that cannot play tricks on a terminal."""
    text = error.get("message") if isinstance(error, dict) else None
    return ascii(text if isinstance(text, str) else error)[:200]


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"
