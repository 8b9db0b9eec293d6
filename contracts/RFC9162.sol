// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle proofs of RFC 9162, section 2.1, with SHA-256
/// @notice fn and sn are the RFC's: the node on the way up, and the last node of its level. While they
/// differ, every level has a sibling in the path, to the left of fn or to the right as its lowest bit
/// says. From where they meet, fn is the last node itself: its sibling, if there is one, is to the left.
///
/// Sizes and index alone say how many hashes a proof has: a path that is longer or shorter is refused,
/// as is an index or a size out of range. A check then answers false. It reverts only where the SHA-256
/// precompile does: when gas runs out.
/// @dev Written in assembly for its price. Memory: a node is built past the free
/// memory pointer, which stays where it is, as the 65 bytes 0x01 || left || right. The hash so far lives
/// in the right half: hashing a left sibling is one store and one call. Path items are read from calldata
/// in place; past the end of a short path that gives foreign bytes, which `p = end` finds out.
library RFC9162 {
    /// @notice SHA-256(0x00 || leaf)
    function leafHash(bytes calldata leaf) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), leaf));
    }

    /// @notice Section 2.1.3.2: whether `leaf` is number `index` of the `size` leaves under `root`
    /// @param leaf a leaf hash
    function checkInclusion(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) internal view returns (bool holds) {
        if (index >= size) return false;
        uint256 fn = index;
        uint256 sn = size - 1;
        assembly ("memory-safe") {
            let node := mload(0x40)
            let left := add(node, 0x01)
            let right := add(node, 0x21)
            mstore8(node, 0x01)
            mstore(right, leaf)
            let p := path.offset
            let hashed := 1
            for {} xor(fn, sn) {
                fn := shr(1, fn)
                sn := shr(1, sn)
                p := add(p, 0x20)
            } {
                switch and(fn, 1)
                case 0 {
                    mstore(left, mload(right))
                    mstore(right, calldataload(p))
                }
                default { mstore(left, calldataload(p)) }
                hashed := and(hashed, staticcall(gas(), 0x02, node, 0x41, right, 0x20))
            }
            for {} fn { fn := shr(1, fn) } {
                if and(fn, 1) {
                    mstore(left, calldataload(p))
                    p := add(p, 0x20)
                    hashed := and(hashed, staticcall(gas(), 0x02, node, 0x41, right, 0x20))
                }
            }
            if iszero(hashed) { revert(0x00, 0x00) }
            holds := and(eq(p, add(path.offset, shl(5, path.length))), eq(mload(right), root))
        }
    }

    /// @notice Section 2.1.4.2: whether the tree (`size1`, `root1`) is a prefix of (`size2`, `root2`)
    function checkConsistency(
        uint64 size1,
        bytes32 root1,
        uint64 size2,
        bytes32 root2,
        bytes32[] calldata path
    ) internal view returns (bool holds) {
        if (size1 == size2) return size1 != 0 && path.length == 0 && root1 == root2;
        if (size1 == 0 || size1 > size2) return false;
        uint256 fn = size1 - 1;
        uint256 sn = size2 - 1;
        assembly ("memory-safe") {
            // The path leads to both roots at once: one node to the old one, at `node`, and one to the
            // new one behind it, at `node` + 0x41.
            let node := mload(0x40)
            mstore8(node, 0x01)
            mstore8(add(node, 0x41), 0x01)
            let p := path.offset
            let hashed := 1

            for {} and(fn, 1) {} {
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            // fn = 0 iff size1 is a power of two: the old root itself is where the path begins.
            switch fn
            case 0 { mstore(add(node, 0x62), root1) }
            default {
                mstore(add(node, 0x62), calldataload(p))
                p := add(p, 0x20)
            }
            mstore(add(node, 0x21), mload(add(node, 0x62)))

            for {} xor(fn, sn) {
                fn := shr(1, fn)
                sn := shr(1, sn)
                p := add(p, 0x20)
            } {
                switch and(fn, 1)
                case 0 {
                    mstore(add(node, 0x42), mload(add(node, 0x62)))
                    mstore(add(node, 0x62), calldataload(p))
                }
                default {
                    mstore(add(node, 0x01), calldataload(p))
                    mstore(add(node, 0x42), calldataload(p))
                    hashed := and(hashed, staticcall(gas(), 0x02, node, 0x41, add(node, 0x21), 0x20))
                }
                hashed := and(
                    hashed,
                    staticcall(gas(), 0x02, add(node, 0x41), 0x41, add(node, 0x62), 0x20)
                )
            }
            for {} fn { fn := shr(1, fn) } {
                if and(fn, 1) {
                    mstore(add(node, 0x01), calldataload(p))
                    mstore(add(node, 0x42), calldataload(p))
                    p := add(p, 0x20)
                    hashed := and(hashed, staticcall(gas(), 0x02, node, 0x41, add(node, 0x21), 0x20))
                    hashed := and(
                        hashed,
                        staticcall(gas(), 0x02, add(node, 0x41), 0x41, add(node, 0x62), 0x20)
                    )
                }
            }
            if iszero(hashed) { revert(0x00, 0x00) }
            holds := and(
                eq(p, add(path.offset, shl(5, path.length))),
                and(eq(mload(add(node, 0x21)), root1), eq(mload(add(node, 0x62)), root2))
            )
        }
    }
}
