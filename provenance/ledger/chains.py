"""Reaching the chains of a ledger.

Opened when asked for and not before: py-evm and web3 take a second to load, and neither
registering nor verifying without an anchor needs them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from provenance.anchoring import ChainPin, ChainReader, RpcReader
from provenance.errors import ChainError, InputError
from provenance.ledger.folder import ChainConfig, Folder

if TYPE_CHECKING:
    from provenance.anchoring.contract import Chain

__all__ = ["Chains"]


class Chains(Mapping[str, ChainReader]):
    """The readers of every configured chain, by name; each is opened once, when first asked for."""

    def __init__(self, folder: Folder, configured: Mapping[str, ChainConfig]) -> None:
        self._folder = folder
        self._configured = configured
        self._open: dict[str, ChainReader] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> ChainReader:
        with self._lock:
            if name not in self._open:
                chain = self._configured[name]
                if chain.url is not None:
                    self._open[name] = RpcReader(chain.url)
                else:
                    self._open[name] = _embedded(self._folder, chain, None)
            return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured)

    def __len__(self) -> int:
        return len(self._configured)

    def writer(self, name: str, account: bytes) -> Chain:
        """Open a chain to send from `account`.

        Raises:
            InputError: no chain of this name is configured.
            ChainError: it cannot be opened.
        """
        chain = self._configured.get(name)
        if chain is None:
            known = ", ".join(self._configured) or "none"
            raise InputError(f"no chain {name!r} is configured; known: {known}")
        if chain.url is None:
            return _embedded(self._folder, chain, account)
        from provenance.anchoring.rpc import RpcChain

        return RpcChain(chain.url, account)

    def add(
        self,
        name: str,
        url: str,
        origin: str,
        account: bytes,
        *,
        contract: str | None,
        confirmations: int,
    ) -> ChainPin:
        """Reach the node at `url` from now on, with the contract there; return what to pin.

        The contract is created unless one is named, and the ledger registered in it. Then the
        chain is written into ``config.toml``. A crash before leaves a contract that nobody uses.

        Raises:
            ChainError: the node refuses, or another contract than this version's is there.
        """
        from provenance.anchoring.contract import check_code
        from provenance.anchoring.jsonrpc import NodeRefusedError
        from provenance.anchoring.rpc import RpcChain

        chain = RpcChain(url, account)
        try:
            if contract is None:
                contract = chain.deploy()
            check_code(chain, contract)
            ledger_id = chain.register(contract, sha256(origin.encode()).digest())
        except NodeRefusedError as error:
            raise ChainError(f"{error}; the ledger's account is {chain.address}") from error
        configured = {**self._configured, name: ChainConfig(url=url)}
        self._folder.configure(chains=configured)
        self._configured = configured
        return chain.pin(contract, ledger_id, name=name, confirmations=confirmations)

    def close(self) -> None:
        """Close what was opened."""
        for reader in self._open.values():
            if not isinstance(reader, RpcReader):
                reader.close()  # type: ignore[attr-defined]
        self._open.clear()


def _embedded(folder: Folder, chain: ChainConfig, account: bytes | None) -> Chain:
    try:
        from provenance.anchoring.embedded import EmbeddedChain
    except ImportError as error:
        raise ChainError(
            f"the embedded chain needs {error.name}: pip install 'provenance-ledger[ledger]'"
        ) from error
    return EmbeddedChain.open(folder.path / str(chain.path), account)
