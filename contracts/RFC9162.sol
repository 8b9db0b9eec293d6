// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle proofs of RFC 9162, section 2.1, with SHA-256
/// @notice Each check is the RFC's own loop over (fn, sn), step for step, in assembly for its price.
/// A check answers false for whatever is not shown: a proof too short or too long, an index or a size
/// out of range. It reverts only where the SHA-256 precompile does: when gas runs out.
/// @dev Memory: the 65 bytes 0x01 || left || right are built at `at`, past the free memory pointer,
/// which stays where it is. Path items are read from calldata in place; the ABI decoder has checked
/// that they are there.
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
            function nodeHash(at, left, right) -> h {
                mstore(add(at, 0x01), left)
                mstore(add(at, 0x21), right)
                if iszero(staticcall(gas(), 0x02, at, 0x41, 0x00, 0x20)) {
                    revert(0x00, 0x00)
                }
                h := mload(0x00)
            }
            let at := mload(0x40)
            mstore8(at, 0x01)
            let r := leaf
            let p := path.offset
            let end := add(p, shl(5, path.length))
            for {} and(lt(p, end), gt(sn, 0)) { p := add(p, 0x20) } {
                switch or(and(fn, 1), eq(fn, sn))
                case 0 { r := nodeHash(at, r, calldataload(p)) }
                default {
                    r := nodeHash(at, calldataload(p), r)
                    for {} iszero(or(and(fn, 1), iszero(fn))) {} {
                        fn := shr(1, fn)
                        sn := shr(1, sn)
                    }
                }
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            // p = end: no hash is left over. sn = 0: none is missing.
            holds := and(and(eq(p, end), iszero(sn)), eq(r, root))
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
        if (size1 == 0 || size1 > size2 || path.length == 0) return false;
        uint256 fn = size1 - 1;
        uint256 sn = size2 - 1;
        assembly ("memory-safe") {
            function nodeHash(at, left, right) -> h {
                mstore(add(at, 0x01), left)
                mstore(add(at, 0x21), right)
                if iszero(staticcall(gas(), 0x02, at, 0x41, 0x00, 0x20)) {
                    revert(0x00, 0x00)
                }
                h := mload(0x00)
            }
            let at := mload(0x40)
            mstore8(at, 0x01)
            for {} and(fn, 1) {} {
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            let p := path.offset
            let end := add(p, shl(5, path.length))
            // fn = 0 iff size1 is a power of two: then the old root itself heads the path.
            let fr := root1
            if fn {
                fr := calldataload(p)
                p := add(p, 0x20)
            }
            let sr := fr
            for {} and(lt(p, end), gt(sn, 0)) { p := add(p, 0x20) } {
                switch or(and(fn, 1), eq(fn, sn))
                case 0 { sr := nodeHash(at, sr, calldataload(p)) }
                default {
                    fr := nodeHash(at, calldataload(p), fr)
                    sr := nodeHash(at, calldataload(p), sr)
                    for {} iszero(or(and(fn, 1), iszero(fn))) {} {
                        fn := shr(1, fn)
                        sn := shr(1, sn)
                    }
                }
                fn := shr(1, fn)
                sn := shr(1, sn)
            }
            // p = end: no hash is left over. sn = 0: none is missing.
            holds := and(and(eq(p, end), iszero(sn)), and(eq(fr, root1), eq(sr, root2)))
        }
    }
}
