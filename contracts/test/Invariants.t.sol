// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceAnchor} from "../IProvenanceAnchor.sol";
import {ProvenanceAnchor} from "../ProvenanceAnchor.sol";
import {Reference} from "./Reference.sol";
import {Test} from "./Vm.sol";

/// @notice Three accounts do whatever they please with the ledgers of two of them: honest steps, forks,
/// resends, offers, thefts. A model beside the contract says what must be true afterwards. Each entry of
/// their logs names one artifact, of one record
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
    bytes32[LOG + 1][2] private _roots;

    constructor() {
        for (uint256 i = 0; i < 2; i++) {
            bytes32[] memory log = new bytes32[](LOG);
            for (uint256 j = 0; j < LOG; j++) {
                log[j] = Reference.leaf(entry(i, j));
            }
            for (uint256 size = 0; size <= LOG; size++) {
                _roots[i][size] = log.root(0, size);
            }
            _logs[i] = log;
            _models[i].ledgerId = anchors.ledgerIdOf(accounts[i], sha256(abi.encode("origin", i)));
        }
    }

    function model(uint256 ledger) external view returns (Model memory) {
        return _models[ledger];
    }

    function root(uint256 ledger, uint64 size) public view returns (bytes32) {
        return _roots[ledger][size];
    }

    function path(uint256 ledger, uint64 index, uint64 size) external view returns (bytes32[] memory) {
        return _logs[ledger].path(index, 0, size);
    }

    /// @dev The one record of the artifact that an entry names.
    function record(uint256 ledger, uint256 index)
        public
        pure
        returns (IProvenanceAnchor.Record memory r)
    {
        r.leafHash = Reference.leaf(abi.encode(ledger, index));
        r.size = 1;
        r.root = r.leafHash;
    }

    function entry(uint256 ledger, uint256 index) public pure returns (bytes memory) {
        bytes32 artifact = sha256(
            abi.encodePacked(
                "provenance-artifact/v1\n", uint64(1), record(ledger, index).root, bytes32(0)
            )
        );
        return abi.encodePacked(hex"0101", bytes32(0), uint16(1), artifact);
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

    /// @dev To one of the three, or back: an offer to nobody withdraws the one before.
    function transfer(uint8 account, uint8 ledger, uint8 to) external {
        Model storage m = _models[ledger % 2];
        address sender = accounts[account % 3];
        address heir = to % 4 == 3 ? address(0) : accounts[to % 4];
        vm.prank(sender);
        try anchors.transferPublisher(m.ledgerId, heir) {
            check(sender == m.publisher, "offered by a stranger");
            m.pending = heir;
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

    /// @dev One campaign: Foundry repeats the same calls for every function named invariant.
    function invariant_oneHistory() public view {
        for (uint256 ledger = 0; ledger < 2; ledger++) {
            Actors.Model memory m = actors.model(ledger);
            historyIsKept(ledger, m);
            latestIsTheLast(ledger, m);
            publishersAreKnown(m);
        }
    }

    /// @dev Foundry calls this at the end of every run.
    function afterInvariant() public view {
        for (uint256 ledger = 0; ledger < 2; ledger++) {
            Actors.Model memory m = actors.model(ledger);
            for (uint256 i = 0; i < m.sizes.length; i++) {
                entriesStayProvable(ledger, m.ledgerId, m.sizes[i]);
            }
        }
    }

    /// @dev Everything that was ever anchored is there, as it was; nothing else is; sizes only grow.
    function historyIsKept(uint256 ledger, Actors.Model memory m) private view {
        uint64 before = 0;
        for (uint256 i = 0; i < m.sizes.length; i++) {
            check(m.sizes[i] > before, "sizes only grow");
            for (uint64 size = before + 1; size < m.sizes[i]; size++) {
                check(actors.anchors().rootAt(m.ledgerId, size) == 0, "a root from nowhere");
            }
            bytes32 recorded = actors.anchors().rootAt(m.ledgerId, m.sizes[i]);
            check(recorded == actors.root(ledger, m.sizes[i]), "a root changed");
            before = m.sizes[i];
        }
        check(actors.anchors().rootAt(m.ledgerId, before + 1) == 0, "a root beyond the latest");
    }

    /// @dev The latest head is the last one anchored, and every earlier head is a prefix of it: all
    /// roots are roots of one log.
    function latestIsTheLast(uint256 ledger, Actors.Model memory m) private view {
        (uint64 size, bytes32 root) = actors.anchors().latest(m.ledgerId);
        if (m.sizes.length == 0) {
            check(size == 0 && root == 0, "a head from nowhere");
        } else {
            check(size == m.sizes[m.sizes.length - 1], "latest size");
            check(root == actors.root(ledger, size), "latest root");
        }
    }

    /// @dev Publishers change by offer and acceptance alone.
    function publishersAreKnown(Actors.Model memory m) private view {
        check(actors.anchors().publisherOf(m.ledgerId) == m.publisher, "publisher");
        check(actors.anchors().pendingPublisherOf(m.ledgerId) == m.pending, "pending");
    }

    /// @dev Under every head there ever was: its first and last entry and their records, at their place
    /// alone.
    function entriesStayProvable(uint256 ledger, bytes32 ledgerId, uint64 size) private view {
        for (uint64 index = 0; index < size; index += size == 1 ? 1 : size - 1) {
            bytes memory entry = actors.entry(ledger, index);
            IProvenanceAnchor.Record memory record = actors.record(ledger, index);
            bytes32[] memory path = actors.path(ledger, index, size);
            check(holds(ledgerId, size, record, entry, index, path), "no longer provable");
            check(!holds(ledgerId, size, record, entry, index + 1, path), "at another place");
            check(!holds(ledgerId, 65, record, entry, index, path), "beyond the latest head");
            check(!holds(~ledgerId, size, record, entry, index, path), "in another ledger");
        }
    }

    /// @dev Whether the entry stands there; `verifyRecord` must say of its record what it says.
    function holds(
        bytes32 ledgerId,
        uint64 size,
        IProvenanceAnchor.Record memory record,
        bytes memory entry,
        uint64 index,
        bytes32[] memory path
    ) private view returns (bool entryHolds) {
        entryHolds = actors.anchors().verifyEntry(ledgerId, size, entry, index, path);
        bool recordHolds = actors.anchors().verifyRecord(ledgerId, size, record, 0, entry, index, path);
        check(entryHolds == recordHolds, "of an entry and its record, one alone");
    }
}
