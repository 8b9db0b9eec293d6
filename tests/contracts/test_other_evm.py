"""The compiled contract on other chains than our own: eth-tester's, through web3.

Our embedded chain runs py-evm by itself, with Prague's rules; here the same bytes run under the
field's usual test chain and client, which know nothing of ours, by the rules of today and by those
of 2019, which many a consortium chain still has.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from eth.abc import VirtualMachineAPI
from eth.vm.forks import ConstantinopleVM, PragueVM
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3

from provenance.merkle import Tree, leaf_hash

ARTIFACT = Path(__file__).parents[2] / "contracts" / "artifacts" / "ProvenanceAnchor.json"


@pytest.mark.parametrize("rules", [PragueVM, ConstantinopleVM])
def test_a_log_is_anchored_and_a_fork_of_it_is_not(rules: type[VirtualMachineAPI]) -> None:
    backend = PyEVMBackend(vm_configuration=((0, rules),))
    web3 = Web3(EthereumTesterProvider(EthereumTester(backend)))
    artifact = json.loads(ARTIFACT.read_text())
    sender = {"from": web3.eth.accounts[0], "gasPrice": 10**9}
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    created = web3.eth.wait_for_transaction_receipt(factory.constructor().transact(sender))
    contract = web3.eth.contract(created["contractAddress"], abi=artifact["abi"])
    functions = contract.functions
    origin = sha256(b"acme.example/ml").digest()
    ledger_id = functions.ledgerIdOf(sender["from"], origin).call(sender)
    functions.register(origin).transact(sender)

    leaves = [leaf_hash(bytes([number])) for number in range(21)]
    trees = {size: Tree.from_leaf_hashes(b"".join(leaves[:size])) for size in (5, 8, 21)}
    old = None
    for size, tree in trees.items():
        proof = tree.prove_consistency(old).path if old else ()
        functions.anchor(ledger_id, size, tree.root, list(proof)).transact(sender)
        assert functions.rootAt(ledger_id, size).call(sender) == tree.root
        old = size
    assert functions.latest(ledger_id).call(sender) == [21, trees[21].root]

    fork = Tree.from_leaf_hashes(b"".join([*leaves[:20], leaf_hash(b"x"), leaf_hash(b"y")]))
    honest_looking = list(fork.prove_consistency(21).path)
    with pytest.raises(TransactionFailed):
        functions.anchor(ledger_id, 22, fork.root, honest_looking).transact(sender)
