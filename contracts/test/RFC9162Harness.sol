// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RFC9162} from "../RFC9162.sol";

/// @notice The library's checks as calls, for tests: here, and from Python
contract RFC9162Harness {
    function leafHash(bytes calldata leaf) external pure returns (bytes32) {
        return RFC9162.leafHash(leaf);
    }

    function checkInclusion(
        bytes32 leaf,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) external view returns (bool) {
        return RFC9162.checkInclusion(leaf, index, size, path, root);
    }

    function checkConsistency(
        uint64 size1,
        bytes32 root1,
        uint64 size2,
        bytes32 root2,
        bytes32[] calldata path
    ) external view returns (bool) {
        return RFC9162.checkConsistency(size1, root1, size2, root2, path);
    }
}
