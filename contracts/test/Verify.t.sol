// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceAnchor} from "../IProvenanceAnchor.sol";
import {ProvenanceAnchor} from "../ProvenanceAnchor.sol";
import {Reference} from "./Reference.sol";
import {Test} from "./Vm.sol";

/// @notice `verifyEntry` and `verifyRecord`, on a log of which one entry names an artifact
contract VerifyTest is Test {
    using Reference for bytes32[];

    /// @dev Every argument of `verifyRecord`, so that a test can turn one.
    struct Case {
        bytes32 ledgerId;
        uint64 size;
        IProvenanceAnchor.Record record;
        uint256 position;
        bytes entry;
        uint64 entryIndex;
        bytes32[] entryPath;
    }

    IProvenanceAnchor private anchors = new ProvenanceAnchor();
    uint256 private ledgers;

    /// @dev Artifact of 13 records, second of three that entry 6 of 11 names.
    function example() private returns (Case memory c) {
        return build("example", 13, 4, 3, 1, 11, 6);
    }

    /// @dev Anchor a log with an entry for an artifact; every number in range.
    function build(
        bytes32 seed,
        uint64 records,
        uint64 index,
        uint16 artifacts,
        uint256 position,
        uint64 entries,
        uint64 entryIndex
    ) private returns (Case memory c) {
        bytes32[] memory leaves = Reference.someLeaves(seed, records);
        c.record = IProvenanceAnchor.Record({
            leafHash: leaves[index],
            index: index,
            size: records,
            root: leaves.root(0, records),
            encodingHash: sha256('{"encoding":"json"}'),
            path: leaves.path(index, 0, records)
        });
        c.position = position;
        c.entry = entryOf(seed, artifacts, position, artifactDigest(c.record));
        c.size = entries;
        c.entryIndex = entryIndex;
        anchorLog(c, seed, entries);
    }

    /// @dev The log's other entries are leaves of no meaning.
    function anchorLog(Case memory c, bytes32 seed, uint64 entries) private {
        bytes32[] memory log = Reference.someLeaves(~seed, entries);
        log[c.entryIndex] = Reference.leaf(c.entry);
        c.entryPath = log.path(c.entryIndex, 0, entries);
        c.ledgerId = anchors.register(bytes32(++ledgers));
        anchors.anchor(c.ledgerId, entries, log.root(0, entries), new bytes32[](0));
    }

    function entryOf(bytes32 seed, uint16 artifacts, uint256 position, bytes32 digest)
        private
        pure
        returns (bytes memory)
    {
        bytes32[] memory digests = Reference.someLeaves(seed, artifacts);
        if (position < artifacts) digests[position] = digest;
        return abi.encodePacked(uint8(1), uint8(1), sha256(abi.encode(seed)), artifacts, digests);
    }

    /// @dev By its definition, with the number written out byte by byte.
    function artifactDigest(IProvenanceAnchor.Record memory record) private pure returns (bytes32) {
        bytes memory size = new bytes(8);
        for (uint256 i = 0; i < 8; i++) {
            size[i] = bytes1(uint8(record.size >> (56 - 8 * i)));
        }
        return sha256(bytes.concat("provenance-artifact/v1\n", size, record.root, record.encodingHash));
    }

    function entryHolds(Case memory c) private view returns (bool) {
        return anchors.verifyEntry(c.ledgerId, c.size, c.entry, c.entryIndex, c.entryPath);
    }

    function recordHolds(Case memory c) private view returns (bool) {
        return anchors.verifyRecord(
            c.ledgerId, c.size, c.record, c.position, c.entry, c.entryIndex, c.entryPath
        );
    }

    // --- verifyEntry --------------------------------------------------------------------------

    function test_verifyEntry() public {
        Case memory c = example();
        check(entryHolds(c), "a true proof");

        c.entryIndex = 5;
        check(!entryHolds(c), "another index");
        c.entryIndex = type(uint64).max;
        check(!entryHolds(c), "an index beyond the tree");
        c.entryIndex = 6;
        c.size = 10;
        check(!entryHolds(c), "no head of that size");
        c.size = 0;
        check(!entryHolds(c), "no size");
        c.size = 11;
        c.ledgerId = ~c.ledgerId;
        check(!entryHolds(c), "another ledger");
    }

    /// @dev Where nothing is anchored the root reads as zero, and must not be compared with anything:
    /// not even an entry whose hash is zero is there.
    function test_verifyEntryWithoutAHead() public {
        check(!anchors.verifyEntry(0, 1, "", 0, new bytes32[](0)), "nothing is anchored");
        vm.mockCall(address(2), "", abi.encode(bytes32(0)));
        check(!anchors.verifyEntry(0, 1, "", 0, new bytes32[](0)), "nothing is anchored");
    }

    function testFuzz_verifyEntry(
        bytes32 seed,
        bytes calldata entry,
        uint64 entries,
        uint64 index,
        uint256 bit
    ) public {
        vm.assume(entry.length > 0);
        Case memory c;
        entries = bound(entries, 1, 100);
        c.size = entries;
        c.entryIndex = bound(index, 0, entries - 1);
        c.entry = entry;
        anchorLog(c, seed, entries);
        check(entryHolds(c), "a true proof");
        flip(c.entry, bit);
        check(!entryHolds(c), "another entry");
        flip(c.entry, bit);
        c.entryPath = c.entryPath.append(seed);
        check(!entryHolds(c), "too long a path");
    }

    // --- verifyRecord -------------------------------------------------------------------------

    function test_verifyRecord() public {
        check(recordHolds(example()), "a true proof");
        check(recordHolds(build("one of everything", 1, 0, 1, 0, 1, 0)), "one of everything");
        check(recordHolds(build("a full entry", 2, 1, 2000, 1999, 3, 2)), "a full entry");
    }

    function test_verifyRecordRefusesAnotherRecord() public {
        Case memory c = example();
        c.record.leafHash = ~c.record.leafHash;
        check(!recordHolds(c), "another leaf");
        c.record.leafHash = ~c.record.leafHash;
        c.record.index = 5;
        check(!recordHolds(c), "another index");
        c.record.index = type(uint64).max;
        check(!recordHolds(c), "an index beyond the artifact");
        c.record.index = 4;
        check(recordHolds(c), "a true proof");

        // The tree is true, but not of the artifact that the entry names.
        c.record.encodingHash = ~c.record.encodingHash;
        check(!recordHolds(c), "another encoding");
        c.record.encodingHash = ~c.record.encodingHash;
        bytes32[] memory leaves = Reference.someLeaves("another artifact", 13);
        c.record.leafHash = leaves[4];
        c.record.root = leaves.root(0, 13);
        c.record.path = leaves.path(4, 0, 13);
        check(!recordHolds(c), "another artifact");
    }

    /// @dev The node above two records, as record 0 of an artifact half as long: the root is the true
    /// one, and only the committed size tells.
    function test_verifyRecordRefusesAnInnerNode() public {
        Case memory c = build("inner node", 4, 0, 1, 0, 1, 0);
        bytes32[] memory leaves = Reference.someLeaves("inner node", 4);
        check(recordHolds(c), "a true proof");
        c.record.leafHash = leaves.root(0, 2);
        c.record.path = new bytes32[](1);
        c.record.path[0] = leaves.root(2, 4);
        check(!recordHolds(c), "at the true size");
        c.record.size = 2;
        check(!recordHolds(c), "at half the size");
    }

    function test_verifyRecordRefusesAnotherPosition() public {
        Case memory c = example();
        uint256[5] memory positions = [uint256(0), 2, 3, type(uint256).max, type(uint256).max / 32 + 2];
        for (uint256 i = 0; i < positions.length; i++) {
            c.position = positions[i];
            check(!recordHolds(c), "another position");
        }
    }

    function test_verifyRecordRefusesAnotherEntry() public {
        Case memory c = example();
        c.entryIndex = 7;
        check(!recordHolds(c), "another index");
        c.entryIndex = 6;
        c.size = 12;
        check(!recordHolds(c), "no head of that size");
        c.size = 11;
        c.ledgerId = ~c.ledgerId;
        check(!recordHolds(c), "another ledger");
        c.ledgerId = ~c.ledgerId;
        c.entry[1] = 0x02;
        check(!recordHolds(c), "an entry that is not in the log");
    }

    /// @dev The entry is in the log and holds the digest where it should be, but is of another form.
    function test_verifyRecordRefusesAnotherForm() public {
        Case memory c = example();
        bytes memory entry = c.entry;
        checkForm(c, entry, "a true entry", true);
        checkForm(c, bytes.concat(hex"02", tail(entry)), "version 2", false);
        checkForm(c, bytes.concat(entry, hex"00"), "a byte too many", false);
        checkForm(c, bytes.concat(entry, bytes32(0)), "a digest too many", false);
        entry[35] = 0x04;
        checkForm(c, entry, "a digest too few", false);
        entry[35] = 0x02;
        checkForm(c, entry, "a count too low", false);
        checkForm(c, "", "nothing", false);
        checkForm(c, bytes.concat(hex"01", new bytes(34)), "shorter than its head", false);
        checkForm(c, entryOf("none", 0, 0, 0), "no digest", false);

        c = build("too full an entry", 2, 1, 2001, 1999, 3, 2);
        check(entryHolds(c), "in the log");
        check(!recordHolds(c), "more than 2000 digests");
    }

    function testFuzz_verifyRecord(
        bytes32 seed,
        uint64 records,
        uint64 artifacts,
        uint64 entries,
        uint64 place,
        uint256 bit
    ) public {
        records = bound(records, 1, 50);
        artifacts = bound(artifacts, 1, 5);
        entries = bound(entries, 1, 50);
        Case memory c = build(
            seed,
            records,
            place % records,
            uint16(artifacts),
            place % artifacts,
            entries,
            place % entries
        );
        check(recordHolds(c), "a true proof");
        flip(c.entry, bit);
        check(!recordHolds(c), "another entry");
        flip(c.entry, bit);
        turn(c, bit);
        check(!recordHolds(c), "another argument");
    }

    // --- calldata -----------------------------------------------------------------------------

    /// @dev Bit 64 of a number, or an end that is missing: neither is read as something smaller.
    function test_calldataThatDoesNotDecodeReverts() public {
        Case memory c = example();
        bytes memory data = abi.encodeCall(
            anchors.verifyEntry, (c.ledgerId, c.size, c.entry, c.entryIndex, c.entryPath)
        );
        uint8[2] memory numbers = [1, 3];
        for (uint256 i = 0; i < numbers.length; i++) {
            checkReverts(data, numbers[i]);
        }
        data = abi.encodeCall(
            anchors.verifyRecord,
            (c.ledgerId, c.size, c.record, c.position, c.entry, c.entryIndex, c.entryPath)
        );
        uint8[4] memory more = [1, 5, 8, 9];
        for (uint256 i = 0; i < more.length; i++) {
            checkReverts(data, more[i]);
        }
    }

    function checkReverts(bytes memory data, uint256 word) private view {
        (bool returned, bytes memory answer) = address(anchors).staticcall(data);
        check(returned && abi.decode(answer, (bool)), "a true proof");
        bytes1 kept = data[4 + 32 * word + 23];
        data[4 + 32 * word + 23] = 0x01;
        (returned,) = address(anchors).staticcall(data);
        check(!returned, "a number beyond its type");
        data[4 + 32 * word + 23] = kept;
        uint256 length = data.length;
        for (uint256 less = 1; less <= 32; less++) {
            assembly ("memory-safe") {
                mstore(data, sub(length, less))
            }
            (returned,) = address(anchors).staticcall(data);
            check(!returned, "calldata that is cut off");
        }
        assembly ("memory-safe") {
            mstore(data, length)
        }
    }

    // --- shared -------------------------------------------------------------------------------

    /// @dev Put another entry at the same place of a log of its own, and look for the record there.
    function checkForm(Case memory c, bytes memory entry, string memory what, bool holds) private {
        Case memory other = c;
        other.entry = entry;
        anchorLog(other, keccak256(bytes(what)), 11);
        check(entryHolds(other), what);
        check(recordHolds(other) == holds, what);
    }

    function tail(bytes memory data) private pure returns (bytes memory rest) {
        rest = new bytes(data.length - 1);
        for (uint256 i = 0; i < rest.length; i++) {
            rest[i] = data[i + 1];
        }
    }

    function flip(bytes memory data, uint256 bit) private pure {
        bit %= 8 * data.length;
        data[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
    }

    /// @dev Change one bit of one argument that the answer rests on.
    function turn(Case memory c, uint256 bit) private pure {
        bytes32 mask = bytes32(1 << (bit % 256));
        uint64 number = uint64(1 << (bit % 64));
        uint256 which = bit % 9;
        if (which == 0) c.ledgerId ^= mask;
        if (which == 1) c.size ^= number;
        if (which == 2) c.position ^= uint256(mask);
        if (which == 3) c.record.leafHash ^= mask;
        if (which == 4) c.record.index ^= number;
        if (which == 5) c.record.size ^= number;
        if (which == 6) c.record.root ^= mask;
        if (which == 7) c.record.encodingHash ^= mask;
        if (which == 8) c.entryIndex ^= number;
    }
}
