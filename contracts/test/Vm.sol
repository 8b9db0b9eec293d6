// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The few cheat codes of Foundry that these tests use
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function assume(bool condition) external pure;
    function clearMockedCalls() external;
    function expectEmit(address emitter) external;
    function expectRevert(bytes calldata reason) external;
    function getRecordedLogs() external returns (Log[] memory logs);
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata reason) external;
    function prank(address sender) external;
    function recordLogs() external;
}

/// @notice What a test stands on
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function check(bool condition, string memory sentence) internal pure {
        require(condition, sentence);
    }

    /// @dev Map a random number into lowest … highest.
    function bound(uint64 random, uint64 lowest, uint64 highest) internal pure returns (uint64) {
        if (random >= lowest && random <= highest) return random;
        return lowest + random % (highest - lowest + 1);
    }
}
