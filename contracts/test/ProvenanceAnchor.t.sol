// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceAnchor} from "../IProvenanceAnchor.sol";
import {ProvenanceAnchor} from "../ProvenanceAnchor.sol";
import {Reference} from "./Reference.sol";
import {Test, Vm} from "./Vm.sol";

contract ProvenanceAnchorTest is Test {
    using Reference for bytes32[];

    // A cheat code applies to the next call, and the precompile that a root is hashed with is one: so
    // every hash stands in a variable before the cheat code.
    bytes32 private immutable ORIGIN_HASH = sha256("example.org/log");
    bytes32[] private none;

    address private alice = address(0xA11CE);
    address private bob = address(0xB0B);
    IProvenanceAnchor private anchors = new ProvenanceAnchor();
    bytes32 private ledgerId;
    bytes32[] private leaves = Reference.someLeaves("a log", 100);

    function setUp() public {
        vm.prank(alice);
        ledgerId = anchors.register(ORIGIN_HASH);
    }

    // --- the chain ----------------------------------------------------------------------------

    function test_deploymentNeedsSha256() public {
        vm.mockCall(address(2), "", abi.encode(bytes32(0)));
        vm.expectRevert(abi.encodeWithSelector(IProvenanceAnchor.Sha256Missing.selector));
        new ProvenanceAnchor();
    }

    // --- register, ledgerIdOf, publisherOf ----------------------------------------------------

    function test_register() public {
        bytes32 expected = keccak256(abi.encode(bob, ORIGIN_HASH));
        check(anchors.publisherOf(expected) == address(0), "not yet");
        vm.expectEmit(address(anchors));
        emit IProvenanceAnchor.Registered(expected, bob, ORIGIN_HASH);
        vm.prank(bob);
        check(anchors.register(ORIGIN_HASH) == expected, "ledgerId");
        check(anchors.publisherOf(expected) == bob, "publisher");
        check(anchors.publisherOf(ledgerId) == alice, "the other ledger of that origin");
    }

    function test_registerTwiceReverts() public {
        vm.expectRevert(abi.encodeWithSelector(IProvenanceAnchor.AlreadyRegistered.selector, ledgerId));
        vm.prank(alice);
        anchors.register(ORIGIN_HASH);
    }

    function test_registerDoesNotTakeAHandedOverLedgerBack() public {
        handOver(bob);
        vm.expectRevert(abi.encodeWithSelector(IProvenanceAnchor.AlreadyRegistered.selector, ledgerId));
        vm.prank(alice);
        anchors.register(ORIGIN_HASH);
        check(anchors.publisherOf(ledgerId) == bob, "publisher");
    }

    function testFuzz_register(address creator, bytes32 originHash, address stranger) public {
        vm.assume(creator != address(0) && stranger != creator);
        vm.assume(creator != alice || originHash != ORIGIN_HASH);
        bytes32 expected = anchors.ledgerIdOf(creator, originHash);
        check(expected == keccak256(abi.encode(creator, originHash)), "ledgerId");
        check(expected != anchors.ledgerIdOf(stranger, originHash), "one ledger, two creators");
        check(expected != anchors.ledgerIdOf(creator, ~originHash), "one ledger, two origins");
        vm.prank(creator);
        check(anchors.register(originHash) == expected, "ledgerId");
        check(anchors.publisherOf(expected) == creator, "publisher");
        (uint64 size, bytes32 first) = anchors.latest(expected);
        check(size == 0 && first == 0, "nothing is anchored yet");
    }

    // --- anchor, rootAt, latest ---------------------------------------------------------------

    function test_anchor() public {
        anchorAs(alice, 5, root(5), none);
        anchorAs(alice, 8, root(8), leaves.proof(5, 8));
        anchorAs(alice, 9, root(9), leaves.proof(8, 9));
        check(anchors.rootAt(ledgerId, 5) == root(5), "root 5");
        check(anchors.rootAt(ledgerId, 8) == root(8), "root 8");
        check(anchors.rootAt(ledgerId, 6) == 0, "never anchored");
        check(anchors.rootAt(~ledgerId, 5) == 0, "another ledger");
        (uint64 size, bytes32 latestRoot) = anchors.latest(ledgerId);
        check(size == 9 && latestRoot == root(9), "latest");
        check(anchors.publisherOf(ledgerId) == alice, "the publisher shares the slot of the size");
    }

    function test_anchorOnceMoreIsSilent() public {
        anchorAs(alice, 5, root(5), none);
        bytes32[] memory proof = leaves.proof(5, 8);
        anchorAs(alice, 8, root(8), proof);
        bytes32 root8 = root(8);
        vm.recordLogs();
        vm.prank(alice);
        anchors.anchor(ledgerId, 8, root8, proof);
        vm.prank(alice);
        anchors.anchor(ledgerId, 8, root8, none);
        check(vm.getRecordedLogs().length == 0, "an event");
        check(anchors.rootAt(ledgerId, 8) == root8, "root");
    }

    function test_anchorByAnotherReverts() public {
        anchorAs(alice, 5, root(5), none);
        bytes32[] memory proof = leaves.proof(5, 8);
        refuses(bob, 8, root(8), proof, notPublisher(ledgerId, bob, alice));
        refuses(bob, 5, root(5), none, notPublisher(ledgerId, bob, alice));
    }

    function test_anchorOfAnUnknownLedgerReverts() public {
        bytes32 unknown = anchors.ledgerIdOf(bob, ORIGIN_HASH);
        bytes32 root5 = root(5);
        vm.expectRevert(notPublisher(unknown, bob, address(0)));
        vm.prank(bob);
        anchors.anchor(unknown, 5, root5, none);
    }

    function test_anchorOfNothingReverts() public {
        bytes4 refusal = IProvenanceAnchor.EmptyHead.selector;
        refuses(alice, 0, root(5), none, abi.encodeWithSelector(refusal, 0, root(5)));
        refuses(alice, 5, 0, none, abi.encodeWithSelector(refusal, 5, 0));
        refuses(alice, 0, sha256(""), none, abi.encodeWithSelector(refusal, 0, sha256("")));
    }

    function test_anchorOfASmallerSizeReverts() public {
        anchorAs(alice, 5, root(5), none);
        anchorAs(alice, 8, root(8), leaves.proof(5, 8));
        bytes memory refusal = abi.encodeWithSelector(
            IProvenanceAnchor.SmallerSize.selector, ledgerId, uint64(5), uint64(8)
        );
        refuses(alice, 5, root(5), none, refusal);
        refuses(alice, 5, root(5), leaves.proof(5, 8), refusal);
        refusal = abi.encodeWithSelector(
            IProvenanceAnchor.SmallerSize.selector, ledgerId, uint64(7), uint64(8)
        );
        refuses(alice, 7, root(7), none, refusal);
    }

    /// @dev All 64 bits of a size are kept, beside the publisher in one slot.
    function test_anchorOfTheLargestSize() public {
        uint64 largest = type(uint64).max;
        anchorAs(alice, largest, root(8), none);
        (uint64 size, bytes32 latestRoot) = anchors.latest(ledgerId);
        check(size == largest && latestRoot == root(8), "latest");
        check(anchors.publisherOf(ledgerId) == alice, "publisher");
        check(anchors.rootAt(ledgerId, largest) == root(8), "root");
    }

    function test_anchorOfAnotherRootReverts() public {
        anchorAs(alice, 5, root(5), none);
        bytes memory refusal = abi.encodeWithSelector(
            IProvenanceAnchor.DifferentRoot.selector, ledgerId, uint64(5), root(6), root(5)
        );
        refuses(alice, 5, root(6), none, refusal);
    }

    function test_firstAnchorWithAProofReverts() public {
        refuses(alice, 8, root(8), leaves.proof(5, 8), inconsistent(0, 8));
        refuses(alice, 8, root(8), new bytes32[](1), inconsistent(0, 8));
    }

    function test_anchorOfAForkReverts() public {
        anchorAs(alice, 5, root(5), none);
        bytes32[] memory honest = leaves.proof(5, 8);
        leaves[2] = Reference.leaf("another past");
        refuses(alice, 8, root(8), leaves.proof(5, 8), inconsistent(5, 8));
        refuses(alice, 8, root(8), honest, inconsistent(5, 8));
        refuses(alice, 8, root(8), none, inconsistent(5, 8));
    }

    /// @dev Bit 64 of a size, or half a hash of the proof: neither is read as something smaller.
    function test_anchorOfCalldataThatDoesNotDecodeReverts() public {
        anchorAs(alice, 5, root(5), none);
        bytes memory call = abi.encodeCall(anchors.anchor, (ledgerId, 8, root(8), leaves.proof(5, 8)));
        bytes memory tooLarge = bytes.concat(call);
        tooLarge[4 + 32 + 23] = 0x01;
        bytes memory cutOff = bytes.concat(call);
        assembly ("memory-safe") {
            mstore(cutOff, sub(mload(cutOff), 16))
        }
        check(!sends(alice, tooLarge), "a size beyond its type");
        check(!sends(alice, cutOff), "calldata that is cut off");
        check(sends(alice, call), "a true proof");
    }

    function testFuzz_anchor(uint64 size1, uint64 size2, bytes32 seed) public {
        size1 = bound(size1, 1, 99);
        size2 = bound(size2, size1 + 1, 100);
        bytes32[] memory log = Reference.someLeaves(seed, size2);
        (bytes32 root1, bytes32 root2) = (log.root(0, size1), log.root(0, size2));
        anchorAs(alice, size1, root1, none);
        anchorAs(alice, size2, root2, log.proof(size1, size2));
        (uint64 size, bytes32 latestRoot) = anchors.latest(ledgerId);
        check(size == size2 && latestRoot == root2, "latest");
        check(anchors.rootAt(ledgerId, size1) == root1, "the earlier root");
    }

    /// @dev Whatever a publisher sends: a head that no true proof leads to changes nothing.
    function testFuzz_anchorOfAnythingElseReverts(
        uint64 size,
        bytes32 newRoot,
        bytes32[] calldata proof,
        address sender
    ) public {
        anchorAs(alice, 5, root(5), none);
        vm.assume(size != 5 || newRoot != root(5) || sender != alice);
        vm.prank(sender);
        try anchors.anchor(ledgerId, size, newRoot, proof) {
            check(false, "accepted");
        } catch {}
        (uint64 latestSize, bytes32 latestRoot) = anchors.latest(ledgerId);
        check(latestSize == 5 && latestRoot == root(5), "latest");
        check(size == 5 || anchors.rootAt(ledgerId, size) == 0, "a root was recorded");
    }

    // --- transferPublisher, acceptPublisher, pendingPublisherOf --------------------------------

    function test_handOver() public {
        anchorAs(alice, 5, root(5), none);
        vm.expectEmit(address(anchors));
        emit IProvenanceAnchor.PublisherTransferStarted(ledgerId, alice, bob);
        vm.prank(alice);
        anchors.transferPublisher(ledgerId, bob);
        check(anchors.pendingPublisherOf(ledgerId) == bob, "pending");
        check(anchors.publisherOf(ledgerId) == alice, "still the publisher");
        anchorAs(alice, 6, root(6), leaves.proof(5, 6));

        vm.expectEmit(address(anchors));
        emit IProvenanceAnchor.PublisherTransferred(ledgerId, alice, bob);
        vm.prank(bob);
        anchors.acceptPublisher(ledgerId);
        check(anchors.publisherOf(ledgerId) == bob, "publisher");
        check(anchors.pendingPublisherOf(ledgerId) == address(0), "nothing is pending");
        (uint64 size, bytes32 latestRoot) = anchors.latest(ledgerId);
        check(size == 6 && latestRoot == root(6), "the head stays");
        check(anchors.rootAt(ledgerId, 5) == root(5), "the roots stay");

        bytes32[] memory proof = leaves.proof(6, 8);
        refuses(alice, 8, root(8), proof, notPublisher(ledgerId, alice, bob));
        anchorAs(bob, 8, root(8), proof);
    }

    function test_handOverDoesNotAllowAFork() public {
        anchorAs(alice, 5, root(5), none);
        handOver(bob);
        leaves[0] = Reference.leaf("another past");
        refuses(bob, 8, root(8), leaves.proof(5, 8), inconsistent(5, 8));
    }

    function test_transferByAnotherReverts() public {
        vm.expectRevert(notPublisher(ledgerId, bob, alice));
        vm.prank(bob);
        anchors.transferPublisher(ledgerId, bob);
        vm.expectRevert(notPublisher(~ledgerId, bob, address(0)));
        vm.prank(bob);
        anchors.transferPublisher(~ledgerId, bob);
    }

    function test_aLaterOfferReplacesAnEarlier() public {
        vm.prank(alice);
        anchors.transferPublisher(ledgerId, bob);
        vm.prank(alice);
        anchors.transferPublisher(ledgerId, address(0));
        vm.expectRevert(notPending(bob, address(0)));
        vm.prank(bob);
        anchors.acceptPublisher(ledgerId);
        check(anchors.publisherOf(ledgerId) == alice, "publisher");
    }

    function test_acceptOnlyOnce() public {
        handOver(bob);
        vm.expectRevert(notPending(bob, address(0)));
        vm.prank(bob);
        anchors.acceptPublisher(ledgerId);
    }

    function testFuzz_onlyThePendingAccepts(address to, address stranger) public {
        vm.assume(stranger != to && to != address(0));
        vm.prank(alice);
        anchors.transferPublisher(ledgerId, to);
        vm.expectRevert(notPending(stranger, to));
        vm.prank(stranger);
        anchors.acceptPublisher(ledgerId);
        vm.prank(to);
        anchors.acceptPublisher(ledgerId);
        check(anchors.publisherOf(ledgerId) == to, "publisher");
    }

    function testFuzz_onlyThePublisherTransfers(address stranger, address to) public {
        vm.assume(stranger != alice);
        vm.expectRevert(notPublisher(ledgerId, stranger, alice));
        vm.prank(stranger);
        anchors.transferPublisher(ledgerId, to);
        check(anchors.pendingPublisherOf(ledgerId) == address(0), "pending");
    }

    // --- shared -------------------------------------------------------------------------------

    function root(uint64 size) private view returns (bytes32) {
        return leaves.root(0, size);
    }

    function anchorAs(address sender, uint64 size, bytes32 newRoot, bytes32[] memory proof) private {
        vm.expectEmit(address(anchors));
        emit IProvenanceAnchor.Anchored(ledgerId, size, newRoot, sender);
        vm.prank(sender);
        anchors.anchor(ledgerId, size, newRoot, proof);
    }

    function refuses(
        address sender,
        uint64 size,
        bytes32 newRoot,
        bytes32[] memory proof,
        bytes memory refusal
    ) private {
        (uint64 sizeBefore, bytes32 rootBefore) = anchors.latest(ledgerId);
        vm.expectRevert(refusal);
        vm.prank(sender);
        anchors.anchor(ledgerId, size, newRoot, proof);
        (uint64 sizeAfter, bytes32 rootAfter) = anchors.latest(ledgerId);
        check(sizeBefore == sizeAfter && rootBefore == rootAfter, "the head changed");
    }

    function sends(address sender, bytes memory call) private returns (bool accepted) {
        vm.prank(sender);
        (accepted,) = address(anchors).call(call);
    }

    function handOver(address to) private {
        vm.prank(alice);
        anchors.transferPublisher(ledgerId, to);
        vm.prank(to);
        anchors.acceptPublisher(ledgerId);
    }

    function notPublisher(bytes32 id, address caller, address publisher)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IProvenanceAnchor.NotPublisher.selector, id, caller, publisher);
    }

    function notPending(address caller, address pending) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            IProvenanceAnchor.NotPendingPublisher.selector, ledgerId, caller, pending
        );
    }

    function inconsistent(uint64 latestSize, uint64 size) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                IProvenanceAnchor.InconsistentHead.selector, ledgerId, latestSize, size
            );
    }
}
