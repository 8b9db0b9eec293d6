// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceAnchor} from "./IProvenanceAnchor.sol";
import {RFC9162} from "./RFC9162.sol";

/// @title The contract behind `IProvenanceAnchor`, where every word of it is explained
contract ProvenanceAnchor is IProvenanceAnchor {
    /// @dev One slot, so that anchoring writes the latest size for the price of one update.
    /// `publisher` is zero iff the ledger was never registered; `size` is zero iff nothing is anchored.
    struct Head {
        address publisher;
        uint64 size;
    }

    uint256 private constant MAX_ARTIFACTS = 2000;
    uint256 private constant ENTRY_HEADER = 36;

    mapping(bytes32 ledgerId => Head) private _heads;

    /// @inheritdoc IProvenanceAnchor
    mapping(bytes32 ledgerId => mapping(uint64 size => bytes32 root)) public rootAt;

    /// @inheritdoc IProvenanceAnchor
    mapping(bytes32 ledgerId => address pending) public pendingPublisherOf;

    /// @dev A call to an address without code succeeds and returns nothing, so a chain without the
    /// precompile would make every hash whatever memory held. Found out here, once.
    constructor() {
        if (sha256("") != 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855) {
            revert Sha256Missing();
        }
    }

    // --- publishing -------------------------------------------------------------------------

    /// @inheritdoc IProvenanceAnchor
    function register(bytes32 originHash) external returns (bytes32 ledgerId) {
        ledgerId = ledgerIdOf(msg.sender, originHash);
        if (_heads[ledgerId].publisher != address(0)) revert AlreadyRegistered(ledgerId);
        _heads[ledgerId].publisher = msg.sender;
        emit Registered(ledgerId, msg.sender, originHash);
    }

    /// @inheritdoc IProvenanceAnchor
    function anchor(bytes32 ledgerId, uint64 size, bytes32 root, bytes32[] calldata proof) external {
        Head memory head = _heads[ledgerId];
        if (msg.sender != head.publisher) revert NotPublisher(ledgerId, msg.sender, head.publisher);
        if (size == 0 || root == 0) revert EmptyHead(size, root);
        if (size < head.size) revert SmallerSize(ledgerId, size, head.size);

        if (head.size == 0) {
            if (proof.length != 0) revert InconsistentHead(ledgerId, 0, size);
        } else {
            bytes32 latestRoot = rootAt[ledgerId][head.size];
            if (size == head.size) {
                if (root != latestRoot) revert DifferentRoot(ledgerId, size, root, latestRoot);
                return;
            }
            if (!RFC9162.checkConsistency(head.size, latestRoot, size, root, proof)) {
                revert InconsistentHead(ledgerId, head.size, size);
            }
        }

        _heads[ledgerId].size = size;
        rootAt[ledgerId][size] = root;
        emit Anchored(ledgerId, size, root, msg.sender);
    }

    /// @inheritdoc IProvenanceAnchor
    function transferPublisher(bytes32 ledgerId, address to) external {
        address publisher = _heads[ledgerId].publisher;
        if (msg.sender != publisher) revert NotPublisher(ledgerId, msg.sender, publisher);
        pendingPublisherOf[ledgerId] = to;
        emit PublisherTransferStarted(ledgerId, msg.sender, to);
    }

    /// @inheritdoc IProvenanceAnchor
    function acceptPublisher(bytes32 ledgerId) external {
        address pending = pendingPublisherOf[ledgerId];
        if (msg.sender != pending) revert NotPendingPublisher(ledgerId, msg.sender, pending);
        address from = _heads[ledgerId].publisher;
        delete pendingPublisherOf[ledgerId];
        _heads[ledgerId].publisher = msg.sender;
        emit PublisherTransferred(ledgerId, from, msg.sender);
    }

    // --- reading ----------------------------------------------------------------------------

    /// @inheritdoc IProvenanceAnchor
    function ledgerIdOf(address creator, bytes32 originHash) public pure returns (bytes32 ledgerId) {
        return keccak256(abi.encode(creator, originHash));
    }

    /// @inheritdoc IProvenanceAnchor
    function publisherOf(bytes32 ledgerId) external view returns (address publisher) {
        return _heads[ledgerId].publisher;
    }

    /// @inheritdoc IProvenanceAnchor
    function latest(bytes32 ledgerId) external view returns (uint64 size, bytes32 root) {
        size = _heads[ledgerId].size;
        root = rootAt[ledgerId][size];
    }

    /// @inheritdoc IProvenanceAnchor
    function verifyEntry(
        bytes32 ledgerId,
        uint64 size,
        bytes calldata entry,
        uint64 index,
        bytes32[] calldata path
    ) public view returns (bool holds) {
        bytes32 root = rootAt[ledgerId][size];
        return root != 0 && RFC9162.checkInclusion(RFC9162.leafHash(entry), index, size, path, root);
    }

    /// @inheritdoc IProvenanceAnchor
    function verifyRecord(
        bytes32 ledgerId,
        uint64 size,
        Record calldata record,
        uint256 position,
        bytes calldata entry,
        uint64 entryIndex,
        bytes32[] calldata entryPath
    ) external view returns (bool holds) {
        if (!_isInArtifact(record)) return false;
        if (!_namesArtifact(entry, position, _artifactDigest(record))) return false;
        return verifyEntry(ledgerId, size, entry, entryIndex, entryPath);
    }

    function _isInArtifact(Record calldata record) private view returns (bool) {
        return
            RFC9162.checkInclusion(record.leafHash, record.index, record.size, record.path, record.root);
    }

    /// @dev The artifact digest, which binds size and encoding to the root.
    function _artifactDigest(Record calldata record) private pure returns (bytes32) {
        return sha256(
            abi.encodePacked("provenance-artifact/v1\n", record.size, record.root, record.encodingHash)
        );
    }

    /// @dev Whether `entry` has the form of an entry, and lists `digest` at `position`.
    function _namesArtifact(bytes calldata entry, uint256 position, bytes32 digest)
        private
        pure
        returns (bool)
    {
        if (entry.length < ENTRY_HEADER || entry[0] != 0x01) return false;
        uint256 count = uint16(bytes2(entry[ENTRY_HEADER - 2:ENTRY_HEADER]));
        if (count > MAX_ARTIFACTS || entry.length != ENTRY_HEADER + 32 * count) return false;
        if (position >= count) return false;
        uint256 begin = ENTRY_HEADER + 32 * position;
        return bytes32(entry[begin:begin + 32]) == digest;
    }
}
