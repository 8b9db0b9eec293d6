// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RFC9162} from "../RFC9162.sol";

/// @notice The library's checks as calls, for tests: one by one, and many at once for the tests in Python
contract RFC9162Harness {
    struct Inclusion {
        bytes32 leaf;
        uint64 index;
        uint64 size;
        bytes32[] path;
        bytes32 root;
    }

    struct Consistency {
        uint64 size1;
        bytes32 root1;
        uint64 size2;
        bytes32 root2;
        bytes32[] path;
    }

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

    function checkInclusions(Inclusion[] calldata cases) external view returns (bool[] memory hold) {
        hold = new bool[](cases.length);
        for (uint256 i = 0; i < cases.length; i++) {
            Inclusion calldata c = cases[i];
            hold[i] = RFC9162.checkInclusion(c.leaf, c.index, c.size, c.path, c.root);
        }
    }

    function checkConsistencies(Consistency[] calldata cases)
        external
        view
        returns (bool[] memory hold)
    {
        hold = new bool[](cases.length);
        for (uint256 i = 0; i < cases.length; i++) {
            Consistency calldata c = cases[i];
            hold[i] = RFC9162.checkConsistency(c.size1, c.root1, c.size2, c.root2, c.path);
        }
    }
}
