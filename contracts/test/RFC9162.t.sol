// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reference, RFCText} from "./Reference.sol";
import {RFC9162Harness} from "./RFC9162Harness.sol";
import {Test} from "./Vm.sol";

contract RFC9162Test is Test {
    using Reference for bytes32[];

    RFC9162Harness private rfc = new RFC9162Harness();

    // --- leaf hashes and roots ----------------------------------------------------------------

    /// @dev The eight leaves and roots of the Certificate Transparency test vectors (RFC 6962's, which
    /// RFC 9162 keeps), as in transparency-dev/merkle: they hold the reference to the world outside.
    function test_referenceGivesTheKnownRoots() public view {
        bytes[8] memory data = [
            bytes(hex""),
            hex"00",
            hex"10",
            hex"2021",
            hex"3031",
            hex"40414243",
            hex"5051525354555657",
            hex"606162636465666768696a6b6c6d6e6f"
        ];
        bytes32[8] memory roots = [
            bytes32(0x6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d),
            0xfac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125,
            0xaeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77,
            0xd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7,
            0x4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4,
            0x76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef,
            0xddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c,
            0x5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
        ];
        bytes32[] memory leaves = new bytes32[](8);
        for (uint256 i = 0; i < 8; i++) {
            leaves[i] = Reference.leaf(data[i]);
            check(rfc.leafHash(data[i]) == leaves[i], "leaf hash");
            check(leaves.root(0, i + 1) == roots[i], "root");
        }
    }

    function testFuzz_leafHash(bytes calldata data) public view {
        check(rfc.leafHash(data) == Reference.leaf(data), "leaf hash");
    }

    // --- inclusion ----------------------------------------------------------------------------

    /// @dev Every leaf of every tree up to 24 leaves, and its proof at every other index and size.
    function test_inclusionHoldsAtItsOwnPlaceOnly() public view {
        bytes32[] memory leaves = Reference.someLeaves("inclusion", 24);
        for (uint64 size = 1; size <= 24; size++) {
            bytes32 root = leaves.root(0, size);
            for (uint64 index = 0; index < size; index++) {
                bytes32[] memory path = leaves.path(index, 0, size);
                for (uint64 other = 0; other <= size + 1; other++) {
                    bool holds = rfc.checkInclusion(leaves[index], other, size, path, root);
                    check(holds == (other == index), "another index");
                }
                check(!rfc.checkInclusion(leaves[index], index, size * 2, path, root), "double size");
                check(!rfc.checkInclusion(leaves[index], index, index, path, root), "index = size");
                check(!rfc.checkInclusion(leaves[index], index, 0, path, root), "no size");
            }
        }
    }

    /// @dev An inner node has the root above it, and is no leaf of a smaller tree, nor of this one.
    function test_inclusionOfAnInnerNodeNeedsAnotherSize() public view {
        bytes32[] memory leaves = Reference.someLeaves("inner node", 4);
        bytes32 root = leaves.root(0, 4);
        bytes32[] memory path = new bytes32[](1);
        path[0] = leaves.root(2, 4);
        // With an uncommitted size it would pass for leaf 0 of two: hence the artifact digest.
        check(rfc.checkInclusion(leaves.root(0, 2), 0, 2, path, root), "the known weakness");
        check(!rfc.checkInclusion(leaves.root(0, 2), 0, 4, path, root), "inner node as a leaf");
        check(!rfc.checkInclusion(leaves.root(0, 2), 0, 3, path, root), "inner node as a leaf");
    }

    function testFuzz_inclusionHoldsAndNoBitIsFree(
        bytes32 seed,
        uint64 size,
        uint64 index,
        uint256 bit,
        bytes32 extra
    ) public view {
        size = bound(size, 1, 100);
        index = bound(index, 0, size - 1);
        bytes32[] memory leaves = Reference.someLeaves(seed, size);
        bytes32 root = leaves.root(0, size);
        bytes32[] memory path = leaves.path(index, 0, size);
        check(rfc.checkInclusion(leaves[index], index, size, path, root), "a true proof");

        bytes32 flip = bytes32(1 << (bit % 256));
        check(!rfc.checkInclusion(leaves[index] ^ flip, index, size, path, root), "another leaf");
        check(!rfc.checkInclusion(leaves[index], index, size, path, root ^ flip), "another root");
        check(!rfc.checkInclusion(leaves[index], index, size, path.append(extra), root), "too long");
        if (path.length == 0) return;
        path[bit % path.length] ^= flip;
        check(!rfc.checkInclusion(leaves[index], index, size, path, root), "another hash");
        path[bit % path.length] ^= flip;
        check(!rfc.checkInclusion(leaves[index], index, size, shorter(path), root), "too short");
    }

    /// @dev Up to the last uint64, against the RFC's text; two runs in three have the right length.
    function testFuzz_inclusionIsTheText(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        uint8 shift,
        uint256 lengthen,
        bytes32 seed
    ) public view {
        size >>= shift % 64;
        if (size != 0) index %= size;
        bytes32[] memory path = somePath(seed, inclusionLength(index, size), lengthen);
        (bool ok, bytes32 root) = RFCText.inclusion(leaf, index, size, path);
        check(ok || size == 0 || lengthen % 3 != 0, "no run reaches a true proof");
        check(rfc.checkInclusion(leaf, index, size, path, root) == ok, "not the RFC's answer");
        check(!rfc.checkInclusion(leaf, index, size, path, ~root), "another root");
    }

    // --- consistency --------------------------------------------------------------------------

    /// @dev Every pair of sizes up to 20, and its proof between every other pair.
    function test_consistencyHoldsBetweenItsOwnSizesOnly() public view {
        bytes32[] memory leaves = Reference.someLeaves("consistency", 20);
        for (uint64 size2 = 1; size2 <= 20; size2++) {
            bytes32 root2 = leaves.root(0, size2);
            for (uint64 size1 = 1; size1 <= size2; size1++) {
                bytes32 root1 = leaves.root(0, size1);
                bytes32[] memory path = leaves.proof(size1, size2);
                check(rfc.checkConsistency(size1, root1, size2, root2, path), "a true proof");
                for (uint64 other = 0; other <= 20; other++) {
                    bytes32 otherRoot = leaves.root(0, other);
                    if (other != size1) {
                        check(
                            !rfc.checkConsistency(other, otherRoot, size2, root2, path), "another tree 1"
                        );
                    }
                    if (other != size2) {
                        check(
                            !rfc.checkConsistency(size1, root1, other, otherRoot, path), "another tree 2"
                        );
                    }
                }
            }
        }
    }

    /// @dev No proof at all never leads from one size to another, nor from the empty tree.
    function test_consistencyNeedsAProof() public view {
        bytes32[] memory none = new bytes32[](0);
        bytes32[] memory leaves = Reference.someLeaves("nothing", 9);
        for (uint64 size1 = 0; size1 < 9; size1++) {
            bytes32 root1 = leaves.root(0, size1);
            check(!rfc.checkConsistency(size1, root1, 9, leaves.root(0, 9), none), "no proof");
            check(!rfc.checkConsistency(size1, root1, 9, root1, none), "no proof, and the old root");
        }
        check(!rfc.checkConsistency(0, sha256(""), 0, sha256(""), none), "from nothing to nothing");
    }

    function testFuzz_consistencyHoldsAndNoBitIsFree(
        bytes32 seed,
        uint64 size1,
        uint64 size2,
        uint256 bit,
        bytes32 extra
    ) public view {
        size2 = bound(size2, 1, 100);
        size1 = bound(size1, 1, size2);
        bytes32[] memory leaves = Reference.someLeaves(seed, size2);
        bytes32 root1 = leaves.root(0, size1);
        bytes32 root2 = leaves.root(0, size2);
        bytes32[] memory path = leaves.proof(size1, size2);
        check(rfc.checkConsistency(size1, root1, size2, root2, path), "a true proof");

        bytes32 flip = bytes32(1 << (bit % 256));
        check(!rfc.checkConsistency(size1, root1 ^ flip, size2, root2, path), "another old root");
        check(!rfc.checkConsistency(size1, root1, size2, root2 ^ flip, path), "another new root");
        check(!rfc.checkConsistency(size1, root1, size2, root2, path.append(extra)), "too long");
        check(size1 == size2 || !rfc.checkConsistency(size2, root2, size1, root1, path), "backwards");
        if (path.length == 0) return;
        path[bit % path.length] ^= flip;
        check(!rfc.checkConsistency(size1, root1, size2, root2, path), "another hash");
        path[bit % path.length] ^= flip;
        check(!rfc.checkConsistency(size1, root1, size2, root2, shorter(path)), "too short");
    }

    /// @dev A log that changed one entry of the past, however it picks its proof: its own proof fails at
    /// the old root, the honest one at the new root.
    function testFuzz_consistencyRefusesARewrittenPast(
        bytes32 seed,
        uint64 size1,
        uint64 size2,
        uint256 changed
    ) public view {
        size2 = bound(size2, 2, 100);
        size1 = bound(size1, 1, size2 - 1);
        bytes32[] memory leaves = Reference.someLeaves(seed, size2);
        bytes32 root1 = leaves.root(0, size1);
        bytes32[] memory honest = leaves.proof(size1, size2);
        leaves[changed % size1] = ~leaves[changed % size1];
        bytes32 root2 = leaves.root(0, size2);
        check(
            !rfc.checkConsistency(size1, root1, size2, root2, leaves.proof(size1, size2)),
            "its own proof"
        );
        check(!rfc.checkConsistency(size1, root1, size2, root2, honest), "the honest proof");
    }

    /// @dev Up to the last uint64, against the RFC's text; two runs in three have the right length.
    function testFuzz_consistencyIsTheText(
        uint64 size1,
        bytes32 root1,
        uint64 size2,
        uint8 shift,
        uint256 lengthen,
        bytes32 seed
    ) public view {
        size2 >>= shift % 64;
        if (size2 != 0) size1 %= size2;
        if (lengthen % 5 == 0 && size1 != 0) size1 = powerOfTwo(size1);
        bytes32[] memory path = somePath(seed, consistencyLength(size1, size2), lengthen);
        (bool ok, bytes32 fr, bytes32 sr) = RFCText.consistency(size1, root1, size2, path);
        check(ok || size1 == 0 || size2 == 0 || lengthen % 3 != 0, "no run reaches a true proof");
        check(rfc.checkConsistency(size1, fr, size2, sr, path) == ok, "not the RFC's answer");
        check(!rfc.checkConsistency(size1, ~fr, size2, sr, path), "another old root");
        check(!rfc.checkConsistency(size1, fr, size2, ~sr, path), "another new root");
    }

    // --- what stands behind a path ------------------------------------------------------------

    /// @dev A path that says it is one hash shorter, with that hash still behind it: who reads on past
    /// the end would find all he needs.
    function test_aPathEndsWhereItSays() public view {
        bytes32[] memory leaves = Reference.someLeaves("behind", 11);
        for (uint64 size = 2; size <= 11; size++) {
            bytes32 root = leaves.root(0, size);
            for (uint64 place = 1; place <= size; place++) {
                bytes32[] memory path = leaves.path(place - 1, 0, size);
                checkLength(
                    abi.encodeCall(rfc.checkInclusion, (leaves[place - 1], place - 1, size, path, root)),
                    path.length
                );
                path = leaves.proof(place, size);
                checkLength(
                    abi.encodeCall(
                        rfc.checkConsistency, (place, leaves.root(0, place), size, root, path)
                    ),
                    path.length
                );
            }
        }
    }

    /// @dev Both have five words, then the length of the path.
    function checkLength(bytes memory data, uint256 length) private view {
        check(uint8(data[4 + 5 * 32 + 31]) == length, "not where the length is");
        if (length == 0) return;
        data[4 + 5 * 32 + 31] = bytes1(uint8(length - 1));
        (bool returned, bytes memory answer) = address(rfc).staticcall(data);
        check(returned && !abi.decode(answer, (bool)), "a hash behind the end was read");
    }

    // --- a precompile that fails --------------------------------------------------------------

    /// @dev A chain may ask so much for SHA-256 that the gas runs out there and enough is left to go on.
    /// Whichever hash fails, a true proof is then never called false.
    function test_aHashThatFailsIsNoAnswer() public {
        uint256 reverted = 0;
        bytes32[] memory leaves = Reference.someLeaves("failing", 11);
        for (uint64 size = 1; size <= 11; size++) {
            for (uint64 place = 1; place <= size; place++) {
                bytes memory inclusion = abi.encodeCall(
                    rfc.checkInclusion,
                    (
                        leaves[place - 1],
                        place - 1,
                        size,
                        leaves.path(place - 1, 0, size),
                        leaves.root(0, size)
                    )
                );
                reverted += callWithEachNodeFailing(inclusion, leaves, 0, size);
                bytes memory consistency = abi.encodeCall(
                    rfc.checkConsistency,
                    (place, leaves.root(0, place), size, leaves.root(0, size), leaves.proof(place, size))
                );
                reverted += callWithEachNodeFailing(consistency, leaves, 0, size);
                reverted += callWithEachNodeFailing(consistency, leaves, 0, place);
            }
        }
        check(reverted > 300, "hardly any hash failed");
    }

    /// @dev Call once for every inner node above the leaves, with its hash failing; count the reverts.
    function callWithEachNodeFailing(
        bytes memory call,
        bytes32[] memory leaves,
        uint256 begin,
        uint256 end
    ) private returns (uint256 reverted) {
        if (end - begin == 1) return 0;
        uint256 middle = begin + Reference.split(end - begin);
        bytes memory node =
            abi.encodePacked(hex"01", leaves.root(begin, middle), leaves.root(middle, end));
        vm.mockCallRevert(address(2), node, "");
        (bool returned, bytes memory answer) = address(rfc).staticcall(call);
        vm.clearMockedCalls();
        check(!returned || abi.decode(answer, (bool)), "a true proof is called false");
        reverted = returned ? 0 : 1;
        reverted += callWithEachNodeFailing(call, leaves, begin, middle);
        reverted += callWithEachNodeFailing(call, leaves, middle, end);
    }

    // --- shared -------------------------------------------------------------------------------

    function powerOfTwo(uint64 value) private pure returns (uint64) {
        while (value & (value - 1) != 0) value &= value - 1;
        return value;
    }

    function inclusionLength(uint256 index, uint256 size) private pure returns (uint256 length) {
        if (size == 0) return 0;
        uint256 last = size - 1;
        for (; index != last; (index, last) = (index >> 1, last >> 1)) {
            length++;
        }
        for (; index != 0; index >>= 1) {
            length += index & 1;
        }
    }

    function consistencyLength(uint256 size1, uint256 size2) private pure returns (uint256) {
        if (size1 == 0) return 0;
        uint256 levels = 0;
        while (size1 & 1 == 0) (size1, size2, levels) = (size1 >> 1, (size2 + 1) >> 1, levels + 1);
        uint256 length = inclusionLength(size1 - 1, size2);
        return size1 == 1 ? length : length + 1;
    }

    /// @dev Hashes of no meaning; one in three paths is one hash longer or shorter.
    function somePath(bytes32 seed, uint256 length, uint256 lengthen)
        private
        pure
        returns (bytes32[] memory)
    {
        if (lengthen % 3 == 1) length++;
        if (lengthen % 6 == 2 && length > 0) length--;
        return Reference.someLeaves(seed, length);
    }

    function shorter(bytes32[] memory path) private pure returns (bytes32[] memory less) {
        less = new bytes32[](path.length - 1);
        for (uint256 i = 0; i < less.length; i++) {
            less[i] = path[i];
        }
    }
}
