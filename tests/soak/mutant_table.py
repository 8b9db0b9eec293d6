"""The mutants of `mutants.py`: what is put in place of what, in which function."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """One edit: `find` stands in the function `where` `of` times, and number `at` is changed."""

    file: str
    where: str
    find: str
    replace: str
    at: int = 0
    of: int = 1

    @property
    def name(self) -> str:
        """Unique, and short enough to read."""
        number = f" ({self.at + 1} of {self.of})" if self.of > 1 else ""
        return f"{self.where}: {self.find!r} -> {self.replace!r}{number}"

    @property
    def tests(self) -> str:
        """The file of tests that should notice."""
        if self.file == "ProvenanceAnchor.sol" and ("verify" in self.where or "_" in self.where):
            return "Verify.t.sol"
        return self.file.replace(".sol", ".t.sol")

    def apply(self, text: str) -> str:
        """Return the source with the edit made.

        Raises:
            ValueError: the source is not the one that the mutant was written for.
        """
        begin = text.index(f"{self.where}(")
        end = text.find("\n    }\n", begin)
        body = text[begin:end].split(self.find)
        if end < 0 or len(body) != self.of + 1:
            raise ValueError(f"{self.name}: it stands there {len(body) - 1} times, not {self.of}")
        left, right = self.find.join(body[: self.at + 1]), self.find.join(body[self.at + 1 :])
        return text[:begin] + left + self.replace + right + text[end:]


def _mutants(file: str, where: str, *edits: tuple[str, str] | tuple[str, str, int]) -> list[Mutant]:
    """Return a mutant for each (find, replace), and `of` of them for each (find, replace, of)."""
    found = []
    for find, replace, *count in edits:
        of = count[0] if count else 1
        found += [Mutant(file, where, find, replace, at, of) for at in range(of)]
    return found


_ALL_READ = "eq(p, add(path.offset, shl(5, path.length)))"

RFC9162 = [
    *_mutants("RFC9162.sol", "function leafHash", ("bytes1(0x00), ", ""), ("0x00", "0x01")),
    *_mutants(
        "RFC9162.sol",
        "function checkInclusion",
        ("index >= size", "index > size"),
        ("index >= size", "size == 0"),
        ("size - 1", "size"),
        ("mstore8(node, 0x01)", "mstore8(node, 0x00)"),
        ("mstore(right, leaf)", "mstore(right, root)"),
        ("let p := path.offset", "let p := add(path.offset, 0x20)"),
        ("xor(fn, sn)", "sn"),
        ("xor(fn, sn)", "fn"),
        ("switch and(fn, 1)", "switch and(sn, 1)"),
        ("mstore(left, mload(right))", ""),
        ("mstore(right, calldataload(p))", ""),
        ("mstore(left, calldataload(p))", "", 2),
        ("if and(fn, 1)", "if 1"),
        ("for {} fn { fn := shr(1, fn) } {", "for {} 0 {} {"),
        ("hashed := and(hashed, staticcall(", "hashed := or(hashed, staticcall(", 2),
        ("0x41, right", "0x40, right", 2),
        ("if iszero(hashed) { revert(0x00, 0x00) }", ""),
        ("p := add(p, 0x20)", "", 2),
        (_ALL_READ, _ALL_READ.replace("eq(p", "iszero(gt(p") + ")"),
        (_ALL_READ, _ALL_READ.replace("eq(p", "iszero(lt(p") + ")"),
        ("eq(mload(right), root)", "1"),
    ),
    *_mutants(
        "RFC9162.sol",
        "function checkConsistency",
        ("size1 != 0 && ", ""),
        ("path.length == 0 && ", ""),
        (" && root1 == root2", ""),
        ("size1 == 0 || ", ""),
        (" || size1 > size2", ""),
        ("size1 - 1", "size1"),
        ("size2 - 1", "size2"),
        ("mstore8(node, 0x01)", "mstore8(node, 0x00)"),
        ("mstore8(add(node, 0x41), 0x01)", "mstore8(add(node, 0x41), 0x00)"),
        ("for {} and(fn, 1) {} {", "for {} 0 {} {"),
        ("mstore(add(node, 0x62), root1)", "mstore(add(node, 0x62), root2)"),
        ("mstore(add(node, 0x62), calldataload(p))", "", 2),
        ("p := add(p, 0x20)", "", 3),
        ("mstore(add(node, 0x21), mload(add(node, 0x62)))", ""),
        ("xor(fn, sn)", "sn"),
        ("switch and(fn, 1)", "switch and(sn, 1)"),
        ("mstore(add(node, 0x42), mload(add(node, 0x62)))", ""),
        ("mstore(add(node, 0x01), calldataload(p))", "", 2),
        ("mstore(add(node, 0x42), calldataload(p))", "", 2),
        ("hashed := and(hashed, staticcall(", "hashed := or(hashed, staticcall(", 2),
        ("hashed := and(\n", "hashed := or(\n", 2),
        ("if and(fn, 1)", "if 1"),
        ("for {} fn { fn := shr(1, fn) } {", "for {} 0 {} {"),
        ("if iszero(hashed) { revert(0x00, 0x00) }", ""),
        (_ALL_READ, _ALL_READ.replace("eq(p", "iszero(gt(p") + ")"),
        (_ALL_READ, _ALL_READ.replace("eq(p", "iszero(lt(p") + ")"),
        ("eq(mload(add(node, 0x21)), root1)", "1"),
        ("eq(mload(add(node, 0x62)), root2)", "1"),
    ),
]

ANCHOR = [
    *_mutants("ProvenanceAnchor.sol", "constructor", ("!=", "==")),
    *_mutants("ProvenanceAnchor.sol", "constructor", ("revert Sha256Missing();", "")),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function register",
        ("revert AlreadyRegistered(ledgerId);", "{}"),
        ("ledgerIdOf(msg.sender", "ledgerIdOf(tx.origin"),
        (".publisher = msg.sender", ".publisher = tx.origin"),
        (".publisher = msg.sender;", ";"),
        ("emit Registered(ledgerId, msg.sender, originHash);", ""),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function anchor",
        ("msg.sender != head.publisher", "head.publisher == address(0)"),
        ("size == 0 || ", ""),
        (" || root == 0", ""),
        ("size < head.size", "size + 1 < head.size"),
        ("size < head.size", "false"),
        ("if (head.size == 0)", "if (head.size < 2)"),
        ("proof.length != 0", "proof.length > 3"),
        ("proof.length != 0", "false"),
        ("if (size == head.size)", "if (size == 1)"),
        ("if (root != latestRoot) revert DifferentRoot(ledgerId, size, root, latestRoot);", ""),
        ("return;", ""),
        ("!RFC9162.checkConsistency(head.size, latestRoot, size, root, proof)", "false"),
        ("head.size, latestRoot, size, root, proof", "head.size, root, size, root, proof"),
        ("_heads[ledgerId].size = size;", ""),
        ("_heads[ledgerId].size = size;", "_heads[ledgerId].size = uint32(size);"),
        ("rootAt[ledgerId][size] = root;", ""),
        ("emit Anchored(ledgerId, size, root, msg.sender);", ""),
        ("root, msg.sender);", "root, tx.origin);"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function transferPublisher",
        ("msg.sender != publisher", "publisher == address(0)"),
        ("msg.sender != publisher", "false"),
        ("pendingPublisherOf[ledgerId] = to;", ""),
        ("pendingPublisherOf[ledgerId] = to;", "_heads[ledgerId].publisher = to;"),
        ("emit PublisherTransferStarted(ledgerId, msg.sender, to);", ""),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function acceptPublisher",
        ("msg.sender != pending", "pending == address(0)"),
        ("msg.sender != pending", "false"),
        ("delete pendingPublisherOf[ledgerId];", ""),
        ("_heads[ledgerId].publisher = msg.sender;", ""),
        ("_heads[ledgerId].publisher = msg.sender;", "_heads[ledgerId] = Head(msg.sender, 0);"),
        ("emit PublisherTransferred(ledgerId, from, msg.sender);", ""),
        ("ledgerId, from, msg.sender", "ledgerId, msg.sender, from"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function ledgerIdOf",
        ("abi.encode(creator, originHash)", "abi.encodePacked(creator, originHash)"),
        ("abi.encode(creator, originHash)", "abi.encode(originHash)"),
        ("abi.encode(creator, originHash)", "abi.encode(creator)"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol", "function publisherOf", ("_heads[ledgerId].publisher", "address(0)")
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function latest",
        ("size = _heads[ledgerId].size;", "size = 1;"),
        ("root = rootAt[ledgerId][size];", ""),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function verifyEntry",
        ("root != 0 && ", ""),
        ("RFC9162.leafHash(entry)", "keccak256(entry)"),
        ("index, size", "0, size"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function verifyRecord",
        ("if (!_isInArtifact(record)) return false;", ""),
        ("if (!_namesArtifact(entry, position, _artifactDigest(record))) return false;", ""),
        ("return verifyEntry(ledgerId, size, entry, entryIndex, entryPath);", "return true;"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function _artifactDigest",
        ("record.size, ", ""),
        ("record.root, ", ""),
        (", record.encodingHash", ""),
        ("record.size", "uint256(record.size)"),
    ),
    *_mutants(
        "ProvenanceAnchor.sol",
        "function _namesArtifact",
        ("entry.length < ENTRY_HEADER || ", ""),
        ("entry.length < ENTRY_HEADER", "entry.length < ENTRY_HEADER - 1"),
        (" || entry[0] != 0x01", ""),
        ("count > MAX_ARTIFACTS || ", ""),
        ("count > MAX_ARTIFACTS", "count >= MAX_ARTIFACTS"),
        (" || entry.length != ENTRY_HEADER + 32 * count", ""),
        ("entry.length != ENTRY_HEADER + 32 * count", "entry.length < ENTRY_HEADER + 32 * count"),
        ("entry.length != ENTRY_HEADER + 32 * count", "entry.length > ENTRY_HEADER + 32 * count"),
        ("position >= count", "position > count"),
        ("if (position >= count) return false;", ""),
        ("ENTRY_HEADER + 32 * position", "ENTRY_HEADER"),
        ("== digest", "!= digest"),
    ),
]

MUTANTS = [*RFC9162, *ANCHOR]
