"""A bundle of records is put together around them; that is the bundle itself, byte for byte."""

import pytest

from provenance.ledger.ledger import Ledger

HOSTILE = ['"records":[]', '\\"records\\":[]', 'x","records":[],"y', "[]"]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger.init(tmp_path_factory.mktemp("ledger"), origin='acme.example/"records":[]') as it:
        for name in HOSTILE:
            it.register(
                [{"records": []}, {"a": 1}, {"b": name}],
                name=name,
                license=name,
                metadata={"records": [], name: {"records": []}},
            )
        yield it


@pytest.mark.parametrize("name", HOSTILE)
def test_the_bytes_are_those_of_the_bundle(ledger, name):
    whole = ledger.prove(name)
    assert whole.to_bytes() == whole.bundle.to_bytes()
    for index in (0, 2, [2, 0, 0], [*range(3)] * 5):
        proof = ledger.prove(name, index=index)
        assert proof.to_bytes() == proof.bundle.to_bytes()
        assert whole.length < len(proof.to_bytes())
    assert whole.length == len(whole.to_bytes()) - len("[]")
