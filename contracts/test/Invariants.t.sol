// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceAnchor} from "../IProvenanceAnchor.sol";
import {ProvenanceAnchor} from "../ProvenanceAnchor.sol";
import {Reference} from "./Reference.sol";
import {Test} from "./Vm.sol";

/// @notice Three accounts do whatever they please with the ledgers of two of them: honest steps, forks,
/// resends, offers, thefts. A model beside the contract says what must be true afterwards
contract Actors is Test {
    using Reference for bytes32[];

    struct Model {
        bytes32 ledgerId;
        address publisher;
        address pending;
        uint64[] sizes;
    }

    uint64 private constant LOG = 64;

    IProvenanceAnchor public immutable anchors = new ProvenanceAnchor();
    address[3] public accounts = [address(0xA11CE), address(0xB0B), address(0xCA401)];
    uint256 public accepted;
    uint256 public refused;
    Model[2] private _models;
    bytes32[][2] private _logs;

    constructor() {
        for (uint256 i = 0; i < 2; i++) {
            bytes32 originHash = sha256(abi.encode("origin", i));
            _logs[i] = Reference.someLeaves(originHash, LOG);
            _models[i].ledgerId = anchors.ledgerIdOf(accounts[i], originHash);
        }
    }

    function model(uint256 ledger) external view returns (Model memory) {
        return _models[ledger];
    }

    function root(uint256 ledger, uint64 size) public view returns (bytes32) {
        return _logs[ledger].root(0, size);
    }

    function register(uint8 account) external {
        address sender = accounts[account % 3];
        for (uint256 i = 0; i < 2; i++) {
            bytes32 originHash = sha256(abi.encode("origin", i));
            vm.prank(sender);
            try anchors.register(originHash) returns (bytes32 ledgerId) {
                // Anybody may register the origin under a ledgerId of his own.
                if (ledgerId != _models[i].ledgerId) continue;
                check(_models[i].publisher == address(0), "registered twice");
                _models[i].publisher = sender;
            } catch {
                bytes32 ledgerId = anchors.ledgerIdOf(sender, originHash);
                check(anchors.publisherOf(ledgerId) != address(0), "refused for no reason");
            }
        }
    }

    /// @dev The honest next head, with its proof.
    function grow(uint8 account, uint8 ledger, uint64 step) external {
        Model storage m = _models[ledger % 2];
        uint64 latest = last(m);
        if (latest == LOG) return;
        uint64 size = bound(step, latest + 1, LOG);
        bytes32[] memory proof = latest == 0 ? new bytes32[](0) : _logs[ledger % 2].proof(latest, size);
        bytes32 newRoot = root(ledger % 2, size);
        address sender = accounts[account % 3];
        vm.prank(sender);
        try anchors.anchor(m.ledgerId, size, newRoot, proof) {
            check(sender == m.publisher, "anchored by a stranger");
            m.sizes.push(size);
            accepted++;
        } catch {
            check(sender != m.publisher, "an honest head refused");
            refused++;
        }
    }

    /// @dev A head of a log in which one entry that is already anchored differs.
    function fork(uint8 account, uint8 ledger, uint64 step, uint64 changed) external {
        Model storage m = _models[ledger % 2];
        uint64 latest = last(m);
        if (latest == 0) return;
        uint64 size = bound(step, 1, LOG);
        bytes32[] memory forged = _logs[ledger % 2];
        forged[changed % latest] = ~forged[changed % latest];
        bytes32[] memory proof = size > latest ? forged.proof(latest, size) : new bytes32[](0);
        bytes32 newRoot = forged.root(0, size);
        vm.prank(accounts[account % 3]);
        try anchors.anchor(m.ledgerId, size, newRoot, proof) {
            check(false, "a fork was accepted");
        } catch {
            refused++;
        }
    }

    /// @dev Any head that was anchored, once more.
    function resend(uint8 account, uint8 ledger, uint256 which) external {
        Model storage m = _models[ledger % 2];
        if (m.sizes.length == 0) return;
        uint64 size = m.sizes[which % m.sizes.length];
        bytes32 sameRoot = root(ledger % 2, size);
        address sender = accounts[account % 3];
        vm.prank(sender);
        try anchors.anchor(m.ledgerId, size, sameRoot, new bytes32[](0)) {
            check(sender == m.publisher && size == last(m), "a resend of more than the latest head");
        } catch {
            check(sender != m.publisher || size != last(m), "a resend was refused");
        }
    }

    function transfer(uint8 account, uint8 ledger, uint8 to) external {
        Model storage m = _models[ledger % 2];
        address sender = accounts[account % 3];
        vm.prank(sender);
        try anchors.transferPublisher(m.ledgerId, accounts[to % 3]) {
            check(sender == m.publisher, "offered by a stranger");
            m.pending = accounts[to % 3];
        } catch {
            check(sender != m.publisher, "an offer refused");
        }
    }

    function accept(uint8 account, uint8 ledger) external {
        Model storage m = _models[ledger % 2];
        address sender = accounts[account % 3];
        vm.prank(sender);
        try anchors.acceptPublisher(m.ledgerId) {
            check(sender == m.pending, "taken by a stranger");
            m.publisher = sender;
            m.pending = address(0);
        } catch {
            check(sender != m.pending, "an acceptance refused");
        }
    }

    function last(Model storage m) private view returns (uint64) {
        return m.sizes.length == 0 ? 0 : m.sizes[m.sizes.length - 1];
    }
}

contract InvariantsTest is Test {
    Actors private actors = new Actors();

    /// @dev Foundry calls this for the contracts whose functions it may call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actors);
    }

    /// @dev Everything that was ever anchored is there, as it was; nothing else is; sizes only grow.
    function invariant_historyIsKept() public view {
        for (uint256 i = 0; i < 2; i++) {
            Actors.Model memory m = actors.model(i);
            uint64 before = 0;
            for (uint256 j = 0; j < m.sizes.length; j++) {
                check(m.sizes[j] > before, "sizes only grow");
                for (uint64 size = before + 1; size < m.sizes[j]; size++) {
                    check(actors.anchors().rootAt(m.ledgerId, size) == 0, "a root from nowhere");
                }
                bytes32 recorded = actors.anchors().rootAt(m.ledgerId, m.sizes[j]);
                check(recorded == actors.root(i, m.sizes[j]), "a root changed");
                before = m.sizes[j];
            }
        }
    }

    /// @dev The latest head is the last one anchored, and every earlier head is a prefix of it: all
    /// roots are roots of one log.
    function invariant_latestIsTheLast() public view {
        for (uint256 i = 0; i < 2; i++) {
            Actors.Model memory m = actors.model(i);
            (uint64 size, bytes32 root) = actors.anchors().latest(m.ledgerId);
            if (m.sizes.length == 0) {
                check(size == 0 && root == 0, "a head from nowhere");
            } else {
                check(size == m.sizes[m.sizes.length - 1], "latest size");
                check(root == actors.root(i, size), "latest root");
            }
        }
    }

    /// @dev Publishers change by offer and acceptance alone.
    function invariant_publishersAreKnown() public view {
        for (uint256 i = 0; i < 2; i++) {
            Actors.Model memory m = actors.model(i);
            check(actors.anchors().publisherOf(m.ledgerId) == m.publisher, "publisher");
            check(actors.anchors().pendingPublisherOf(m.ledgerId) == m.pending, "pending");
        }
    }
}
