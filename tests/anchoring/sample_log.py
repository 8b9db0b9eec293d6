"""A log to anchor, and the accounts that do."""

from __future__ import annotations

from provenance import merkle

# The first two accounts of the mnemonic that anvil funds ("test test … junk").
ALICE = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
BOB = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")


class Log:
    """A log of a few leaves, to anchor."""

    def __init__(self, leaves: int = 40, salt: str = "") -> None:
        self.hashes = [merkle.leaf_hash(f"{salt}{i}".encode()) for i in range(leaves)]

    def tree(self, size: int) -> merkle.Tree:
        return merkle.Tree.from_leaf_hashes(b"".join(self.hashes[:size]))

    def root(self, size: int) -> bytes:
        return self.tree(size).root

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        return merkle.prove_consistency(old, size, self.tree(size).node).path
