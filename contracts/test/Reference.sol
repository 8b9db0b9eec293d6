// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162, section 2.1, as its definitions read: recursive, over all leaves, with no care for
/// gas. The contract's checks are held against the proofs made here
library Reference {
    function leaf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"00", data));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"01", left, right));
    }

    /// @dev Section 2.1.1: MTH(D[begin:end])
    function root(bytes32[] memory leaves, uint256 begin, uint256 end) internal pure returns (bytes32) {
        if (begin == end) return sha256("");
        if (end - begin == 1) return leaves[begin];
        uint256 k = split(end - begin);
        return node(root(leaves, begin, begin + k), root(leaves, begin + k, end));
    }

    /// @dev Section 2.1.3.1: PATH(m, D[begin:end])
    function path(bytes32[] memory leaves, uint256 m, uint256 begin, uint256 end)
        internal
        pure
        returns (bytes32[] memory)
    {
        if (end - begin == 1) return new bytes32[](0);
        uint256 k = split(end - begin);
        if (m < k) {
            return append(path(leaves, m, begin, begin + k), root(leaves, begin + k, end));
        }
        return append(path(leaves, m - k, begin + k, end), root(leaves, begin, begin + k));
    }

    /// @dev Section 2.1.4.1: PROOF(m, D[0:n])
    function proof(bytes32[] memory leaves, uint256 m, uint256 n)
        internal
        pure
        returns (bytes32[] memory)
    {
        return subproof(leaves, m, 0, n, true);
    }

    function subproof(bytes32[] memory leaves, uint256 m, uint256 begin, uint256 end, bool b)
        internal
        pure
        returns (bytes32[] memory)
    {
        uint256 n = end - begin;
        if (m == n) {
            return b ? new bytes32[](0) : append(new bytes32[](0), root(leaves, begin, end));
        }
        uint256 k = split(n);
        if (m <= k) {
            return append(subproof(leaves, m, begin, begin + k, b), root(leaves, begin + k, end));
        }
        return append(subproof(leaves, m - k, begin + k, end, false), root(leaves, begin, begin + k));
    }

    /// @dev The largest power of two smaller than n
    function split(uint256 n) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < n) k *= 2;
    }

    function append(bytes32[] memory hashes, bytes32 last)
        internal
        pure
        returns (bytes32[] memory more)
    {
        more = new bytes32[](hashes.length + 1);
        for (uint256 i = 0; i < hashes.length; i++) {
            more[i] = hashes[i];
        }
        more[hashes.length] = last;
    }

    /// @dev `count` different leaf hashes, the same for the same seed
    function someLeaves(bytes32 seed, uint256 count) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; i++) {
            leaves[i] = leaf(abi.encode(seed, i));
        }
    }
}

/// @notice The verification of sections 2.1.3.2 and 2.1.4.2 in the words of the RFC, for sizes that no
/// tree can be built for. Answers with the roots that a proof leads to
library RFCText {
    /// @return ok false where the RFC says "fail the verification" before comparing roots
    function inclusion(bytes32 leaf, uint256 index, uint256 size, bytes32[] memory path)
        internal
        pure
        returns (bool ok, bytes32 r)
    {
        if (index >= size) return (false, 0);
        uint256 fn = index;
        uint256 sn = size - 1;
        r = leaf;
        for (uint256 i = 0; i < path.length; i++) {
            if (sn == 0) return (false, 0);
            if (fn & 1 == 1 || fn == sn) {
                r = Reference.node(path[i], r);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = Reference.node(r, path[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        ok = sn == 0;
    }

    /// @return ok false where the RFC says "fail the verification" before comparing roots
    function consistency(uint256 first, bytes32 firstHash, uint256 second, bytes32[] memory path)
        internal
        pure
        returns (bool ok, bytes32 fr, bytes32 sr)
    {
        if (first == 0 || first >= second || path.length == 0) return (false, 0, 0);
        bytes32[] memory c = path;
        if (first & (first - 1) == 0) {
            c = new bytes32[](path.length + 1);
            c[0] = firstHash;
            for (uint256 i = 0; i < path.length; i++) {
                c[i + 1] = path[i];
            }
        }
        uint256 fn = first - 1;
        uint256 sn = second - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        fr = c[0];
        sr = c[0];
        for (uint256 i = 1; i < c.length; i++) {
            if (sn == 0) return (false, 0, 0);
            if (fn & 1 == 1 || fn == sn) {
                fr = Reference.node(c[i], fr);
                sr = Reference.node(c[i], sr);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                sr = Reference.node(sr, c[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        ok = sn == 0;
    }
}
