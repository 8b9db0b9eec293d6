"""The file of an embedded chain: every value of its store, and every row of its index.

What a block commits to stands under its Keccak-256, and is hashed again. What py-evm keeps beside
that (which block has which number, which block holds a transaction) is made again from the blocks
and compared, as is the index of anchored heads, from the receipts. All of the newest state can be
reached from the newest header. Blocks are not executed again: their hashes commit to what they did.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from provenance.anchoring.chainfile import SCHEMA, ChainFile
from provenance.anchoring.contract import anchored_of
from provenance.anchoring.evm import evm_class
from provenance.anchoring.recursion import recursion_limit_kept
from provenance.upkeep.database import sqlite_damage

with recursion_limit_kept():
    import rlp  # type: ignore[import-untyped]
    from eth.abc import BlockAPI
    from eth.chains.base import MiningChain
    from eth.constants import EMPTY_SHA3
    from eth.db.atomic import AtomicDB
    from eth.db.backends.base import BaseDB
    from eth.rlp.accounts import Account
    from eth_typing import BlockNumber
    from eth_utils.crypto import keccak
    from trie.constants import BLANK_NODE_HASH
    from trie.hexary import HexaryTrie
    from trie.iter import NodeIterator

__all__ = ["chain_damage"]

_HASH = 32
_TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_schema"


def chain_damage(path: Path) -> Iterator[str]:
    """Yield what is wrong with the file of an embedded chain; nothing is written.

    Raises:
        ChainError: it is so damaged that nothing more can be told.
    """
    with closing(ChainFile.open(path, to_write=False)) as file:
        yield from sqlite_damage(file.select, _schema())
        with file.reading() as nodes:
            kept: dict[bytes, bytes] = {}
            for key, value in file.values():
                if len(key) != _HASH:
                    kept[key] = value
                elif keccak(value) != key:
                    yield f"the value under 0x{key.hex()} does not have this hash"
            again = _Again(nodes)
            events = set()
            for block in _blocks(evm_class(file.chain_id)(nodes), again):
                events |= set(block)
            for key in sorted(kept.keys() | again.kept.keys()):
                if kept.get(key) != again.kept.get(key):
                    yield f"py-evm's entry {ascii(key)[2:-1][:60]} is not what the blocks say"
            columns = "contract, ledger_id, size, root, block, tx_hash"
            if set(file.select(f"SELECT {columns} FROM anchored")) != events:  # noqa: S608
                yield "the index of anchored heads is not what the receipts say"


def _schema() -> set[tuple[Any, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        return set(connection.execute(_TABLES))


class _Again(BaseDB):
    """A store in which py-evm writes down the same blocks once more.

    Values under their hash are read from the store of the file; what has a name of its own is kept
    here, and is never read there.
    """

    def __init__(self, nodes: AtomicDB) -> None:
        self._nodes = nodes
        self.kept: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        return self._nodes[key] if len(key) == _HASH else self.kept[key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if len(key) != _HASH:
            self.kept[key] = value

    def __delitem__(self, key: bytes) -> None:
        del self.kept[key]

    def _exists(self, key: bytes) -> bool:
        return key in self._nodes if len(key) == _HASH else key in self.kept


def _blocks(evm: MiningChain, again: _Again) -> Iterator[list[tuple[Any, ...]]]:
    """Go through all blocks, and the newest state; yield what each block anchored."""
    chain = evm.get_chaindb_class()(AtomicDB(again))
    head = evm.get_canonical_head()
    for number in range(head.block_number + 1):
        header = evm.get_canonical_block_header_by_number(BlockNumber(number))
        if number == 0:
            chain.persist_header(header)
            continue
        block = evm.get_block_by_header(header)
        chain.persist_block(block)
        yield list(_anchored(evm, block))
    _reach_state(evm, head.state_root)


def _anchored(evm: MiningChain, block: BlockAPI) -> Iterator[tuple[Any, ...]]:
    decoder = evm.get_vm_class(block.header).get_receipt_builder()
    receipts = evm.chaindb.get_receipts(block.header, decoder)
    for transaction, receipt in zip(block.transactions, receipts, strict=True):
        for log in receipt.logs:
            topics = [topic.to_bytes(_HASH, "big") for topic in log.topics]
            if (event := anchored_of(topics, log.data)) is not None:
                ledger_id, head = event
                size = head.size.to_bytes(8, "big")
                yield log.address, ledger_id, size, head.root, block.number, transaction.hash


def _reach_state(evm: MiningChain, root: bytes) -> None:
    """Read every account, its code and its storage."""
    nodes = evm.chaindb.db
    for _, value in NodeIterator(HexaryTrie(nodes, root)).items():
        account = rlp.decode(value, sedes=Account)
        if account.code_hash != EMPTY_SHA3:
            nodes[account.code_hash]
        if account.storage_root != BLANK_NODE_HASH:
            for _ in NodeIterator(HexaryTrie(nodes, account.storage_root)).items():
                pass
