"""Reaching the chains of a ledger.

Opened when asked for and not before: py-evm and web3 take a second to load, and neither
registering nor verifying without an anchor needs them. ``config.toml`` says where a chain is
reached; what counts as the chain is what the policy pins, and where the two differ nothing is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from provenance.anchoring import ChainPin, ChainReader, RpcReader
from provenance.errors import ChainError, InputError, LedgerError
from provenance.ledger.config import ChainConfig, Config, node_url, wei
from provenance.ledger.folder import Folder
from provenance.log.blocking import before_blocking

if TYPE_CHECKING:
    from provenance.anchoring.contract import Chain
    from provenance.anchoring.embedded import EmbeddedChain

__all__ = ["Chains", "Pause", "agree"]

Pause = Callable[[float], object]
"""Waits for so many seconds; what it returns is true to wait no longer."""


class Chains(Mapping[str, ChainReader]):
    """The readers of every configured chain, by name; each is opened once, when first asked for."""

    def __init__(self, folder: Folder, configured: Mapping[str, ChainConfig]) -> None:
        self._folder = folder
        self._configured = configured
        self._open: dict[str, ChainReader] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> ChainReader:
        opened = self._open.get(name)
        if opened is not None:
            return opened
        before_blocking()
        with self._lock:
            if name not in self._open:
                chain = self._configured[name]
                if chain.url is not None:
                    self._open[name] = RpcReader(node_url(chain.url))
                else:
                    self._open[name] = _embedded(self._folder, chain, None)
            return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured)

    def __len__(self) -> int:
        return len(self._configured)

    def configured(self, name: str) -> ChainConfig:
        """Return what ``config.toml`` says of a chain now.

        Raises:
            InputError: no chain of this name is configured.
        """
        chains = Config.read(self._folder.config).chains
        if name not in chains:
            known = ", ".join(chains) or "none"
            raise InputError(f"no chain {name!r} is configured; known: {known}")
        return chains[name]

    def configure(self, name: str, chain: ChainConfig) -> None:
        """Write into ``config.toml`` how a chain is reached from now on."""
        chains = {**Config.read(self._folder.config).chains, name: chain}
        self._folder.configure(chains=chains)
        with self._lock:
            self._configured = chains
            if isinstance(self._open.get(name), RpcReader):
                del self._open[name]  # it may have led elsewhere

    @contextmanager
    def opened(
        self,
        chain: ChainConfig,
        account: bytes | None = None,
        *,
        pause: Pause = time.sleep,
    ) -> Iterator[Chain]:
        """Open a chain to send from `account`, or only to read, for as long as the block runs.

        `pause` is what waiting for blocks is done with: see `RpcChain`.

        Raises:
            ChainError: it cannot be opened.
        """
        if chain.url is None:
            with _embedded(self._folder, chain, account) as embedded:
                yield embedded
        else:
            from provenance.anchoring.rpc import RpcChain

            yield RpcChain(node_url(chain.url), account, max_fee=wei(chain.max_fee), pause=pause)

    @contextmanager
    def sending(self, chain: Chain, chain_id: int) -> Iterator[None]:
        """Be the only one in this ledger who sends from the account of an opened chain.

        What is sent takes the account's next nonce, by mined blocks: of two that send at once, one
        would be replaced. Who holds it waits for no other lock of the ledger's folder.

        Raises:
            LedgerError: the lock file cannot be used.
        """
        with self._folder.alone(f"account-{chain_id}-{chain.address}"):
            yield

    def close(self) -> None:
        """Close what was opened."""
        for reader in self._open.values():
            if not isinstance(reader, RpcReader):
                reader.close()  # type: ignore[attr-defined]
        self._open.clear()


def agree(chain: ChainConfig, pin: ChainPin) -> None:
    """Check that ``config.toml`` and the policy mean the same chain.

    Raises:
        LedgerError: they do not.
    """
    if chain.path is not None:
        return
    for what, configured, pinned in (
        ("chainId", chain.chain_id, pin.chain_id),
        ("contract", chain.contract, pin.contract),
        ("confirmations", chain.confirmations, pin.confirmations),
    ):
        if configured != pinned:
            raise LedgerError(
                f"config.toml gives the chain {pin.name} the {what} {configured}, policy.json pins "
                f"{pinned}: nothing was sent. Correct the one that is wrong"
            )


def _embedded(folder: Folder, chain: ChainConfig, account: bytes | None) -> EmbeddedChain:
    try:
        from provenance.anchoring.embedded import EmbeddedChain
    except ImportError as error:
        raise ChainError(
            f"the embedded chain needs {error.name}: pip install 'provenance-ledger[ledger]'"
        ) from error
    return EmbeddedChain.open(folder.path / str(chain.path), account)
