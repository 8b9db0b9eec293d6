// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title One history per log: tree heads of append-only logs, kept consistent by proof
/// @notice A log is an RFC 9162 Merkle tree of entries. Its publisher records tree heads (size, root)
/// here. The first head of a log is taken as it is; every later one only with a consistency proof
/// that the tree before is a prefix of the new one (RFC 9162, section 2.1.4.2).
///
/// What follows from it: for one chain, one contract and one ledgerId there is one history. A log that
/// rewrites, drops or reorders entries that were anchored cannot anchor here again.
///
/// What does not: that an entry is true or signed by anybody in particular (signatures are checked off
/// chain), that the publisher shows every reader the same log beyond the last head, or any time. The
/// time of a head is the time of the block that carries its `Anchored` event, and says "not later than".
///
/// There is no owner, no pause and no upgrade. Nobody can change or remove a root.
/// @dev Hashes are SHA-256. Leaf: SHA-256(0x00 || entry). Node: SHA-256(0x01 || left || right).
/// A proof is the list of hashes in the order of RFC 9162. Sizes and indices count entries.
interface IProvenanceAnchor {
    // --- types ------------------------------------------------------------------------------

    /// @notice A record of an artifact, and the proof of its place in the artifact's tree
    /// @param leafHash SHA-256(0x00 || the record's bytes under the artifact's encoding)
    /// @param index the record's number, from 0
    /// @param size the number of records in the artifact
    /// @param root the root of the tree of records
    /// @param encodingHash SHA-256 of the canonical JSON (RFC 8785) of the encoding and its parameters
    /// @param path the inclusion proof, from the leaf's sibling up
    struct Record {
        bytes32 leafHash;
        uint64 index;
        uint64 size;
        bytes32 root;
        bytes32 encodingHash;
        bytes32[] path;
    }

    // --- events -----------------------------------------------------------------------------

    /// @notice A ledgerId came into use
    /// @param ledgerId the name of the ledger's history in this contract
    /// @param creator the account that registered it, its first publisher
    /// @param originHash SHA-256 of the log's origin, the first line of its checkpoints
    event Registered(bytes32 indexed ledgerId, address indexed creator, bytes32 originHash);

    /// @notice A tree head was recorded. It is at least as old as this event's block
    /// @param ledgerId the ledger
    /// @param size the number of entries in the tree
    /// @param root the root of the tree
    /// @param publisher the account that recorded it
    event Anchored(bytes32 indexed ledgerId, uint64 indexed size, bytes32 root, address publisher);

    /// @notice The publisher offered the ledger to another account, or took the offer back
    /// @param ledgerId the ledger
    /// @param from the publisher, who still anchors until the offer is accepted
    /// @param to the account that may accept; zero: nobody
    event PublisherTransferStarted(bytes32 indexed ledgerId, address indexed from, address indexed to);

    /// @notice The offer was accepted: from here on `to` anchors, and `from` does not
    /// @param ledgerId the ledger
    /// @param from the publisher before
    /// @param to the publisher now
    event PublisherTransferred(bytes32 indexed ledgerId, address indexed from, address indexed to);

    // --- errors -----------------------------------------------------------------------------

    /// @notice The chain has no SHA-256 precompile at address 2; nothing here would hold on it
    error Sha256Missing();

    /// @notice The caller registered this origin before
    /// @param ledgerId the ledger that exists
    error AlreadyRegistered(bytes32 ledgerId);

    /// @notice Only the ledger's publisher may do this
    /// @param ledgerId the ledger
    /// @param caller who tried
    /// @param publisher who may; zero: the ledger was never registered
    error NotPublisher(bytes32 ledgerId, address caller, address publisher);

    /// @notice Only the account that the ledger was offered to may accept it
    /// @param ledgerId the ledger
    /// @param caller who tried
    /// @param pending who may; zero: nobody
    error NotPendingPublisher(bytes32 ledgerId, address caller, address pending);

    /// @notice An empty tree, or a root of zero, which would read as "no root"
    /// @param size the size given
    /// @param root the root given
    error EmptyHead(uint64 size, bytes32 root);

    /// @notice A tree smaller than the latest: histories do not shrink
    /// @param ledgerId the ledger
    /// @param size the size given
    /// @param latestSize the size of the latest head
    error SmallerSize(bytes32 ledgerId, uint64 size, uint64 latestSize);

    /// @notice Another root at the size of the latest head: a fork
    /// @param ledgerId the ledger
    /// @param size the size of both
    /// @param root the root given
    /// @param latestRoot the root recorded
    error DifferentRoot(bytes32 ledgerId, uint64 size, bytes32 root, bytes32 latestRoot);

    /// @notice The proof does not show that the latest tree is a prefix of the new one; or a proof was
    /// given with the first head, where there is nothing to prove
    /// @param ledgerId the ledger
    /// @param latestSize the size of the latest head; zero: none yet
    /// @param size the size given
    error InconsistentHead(bytes32 ledgerId, uint64 latestSize, uint64 size);

    // --- publishing -------------------------------------------------------------------------

    /// @notice Bring the caller's ledger for an origin into use, with the caller as its publisher
    /// @dev Reverts with `AlreadyRegistered`. Nobody else can take a ledgerId: it contains the creator.
    /// A creator that handed the ledger over cannot take it back by registering again.
    /// @param originHash SHA-256 of the log's origin
    /// @return ledgerId `ledgerIdOf(msg.sender, originHash)`
    function register(bytes32 originHash) external returns (bytes32 ledgerId);

    /// @notice Record a tree head
    /// @dev Emits `Anchored`. The latest head once more (equal size, equal root) is accepted without an
    /// event and without looking at the proof: so a transaction can be sent again safely.
    /// Reverts with `NotPublisher`, `EmptyHead`, `SmallerSize`, `DifferentRoot` or `InconsistentHead`,
    /// and then changes nothing.
    /// @param ledgerId the ledger; the caller must be its publisher
    /// @param size the number of entries, at least 1
    /// @param root the root of the tree, not zero
    /// @param proof the consistency proof from the latest head; empty for the first
    function anchor(bytes32 ledgerId, uint64 size, bytes32 root, bytes32[] calldata proof) external;

    /// @notice Offer the ledger to another account; heads and roots stay
    /// @dev Reverts with `NotPublisher`. A later offer replaces this one; an offer to zero withdraws it.
    /// @param ledgerId the ledger; the caller must be its publisher
    /// @param to the account that may accept
    function transferPublisher(bytes32 ledgerId, address to) external;

    /// @notice Accept the ledger as its publisher
    /// @dev Reverts with `NotPendingPublisher`.
    /// @param ledgerId the ledger; it must be on offer to the caller
    function acceptPublisher(bytes32 ledgerId) external;

    // --- reading ----------------------------------------------------------------------------

    /// @notice The name of a creator's ledger in this contract
    /// @param creator the account that registers it
    /// @param originHash SHA-256 of the log's origin
    /// @return ledgerId keccak256(abi.encode(creator, originHash))
    function ledgerIdOf(address creator, bytes32 originHash) external pure returns (bytes32 ledgerId);

    /// @notice The account that anchors for a ledger
    /// @param ledgerId the ledger
    /// @return publisher the account; zero: never registered
    function publisherOf(bytes32 ledgerId) external view returns (address publisher);

    /// @notice The account that a ledger is on offer to
    /// @param ledgerId the ledger
    /// @return pending the account; zero: nobody
    function pendingPublisherOf(bytes32 ledgerId) external view returns (address pending);

    /// @notice The root recorded at a size
    /// @param ledgerId the ledger
    /// @param size the number of entries
    /// @return root the root; zero: no head of that size was recorded
    function rootAt(bytes32 ledgerId, uint64 size) external view returns (bytes32 root);

    /// @notice The latest head
    /// @param ledgerId the ledger
    /// @return size its number of entries; zero: none yet
    /// @return root its root; zero: none yet
    function latest(bytes32 ledgerId) external view returns (uint64 size, bytes32 root);

    /// @notice Whether an entry stands at an index of an anchored tree
    /// @dev Never reverts on a wrong value or proof: the answer is false, also where no head of that
    /// size is recorded. Only calldata that does not decode, or too little gas, reverts.
    /// @param ledgerId the ledger
    /// @param size the size of a recorded head
    /// @param entry the entry's bytes
    /// @param index the entry's number, from 0
    /// @param path its inclusion proof in the tree of `size` entries
    /// @return holds true iff (RFC 9162, section 2.1.3.2) it does
    function verifyEntry(
        bytes32 ledgerId,
        uint64 size,
        bytes calldata entry,
        uint64 index,
        bytes32[] calldata path
    ) external view returns (bool holds);

    /// @notice Whether a record belongs to an artifact that an anchored entry names
    /// @dev The path: record -> root of the artifact -> artifact digest -> entry -> recorded root.
    /// The artifact digest is SHA-256("provenance-artifact/v1\n" || u64be size || root || encodingHash).
    /// The entry must have the form 0x01 || kind u8 || SHA-256(envelope) || u16be n || n * digest,
    /// with n at most 2000. Its kind, `entry[1]`, is the caller's to judge, and so is who signed the
    /// envelope: this shows a position, not a signature. Reverts exactly where `verifyEntry` does.
    /// @param ledgerId the ledger
    /// @param size the size of a recorded head
    /// @param record the record, its artifact, and its place there
    /// @param position which digest of the entry is the artifact's, from 0
    /// @param entry the entry's bytes
    /// @param entryIndex the entry's number, from 0
    /// @param entryPath the entry's inclusion proof in the tree of `size` entries
    /// @return holds true iff every step does
    function verifyRecord(
        bytes32 ledgerId,
        uint64 size,
        Record calldata record,
        uint256 position,
        bytes calldata entry,
        uint64 entryIndex,
        bytes32[] calldata entryPath
    ) external view returns (bool holds);
}
