"""``provenance storage``: two steps, and who asks where the trees are."""

import pytest


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    return f"file://{tmp_path / 'place'}"


def test_two_steps(provenance, place):
    def where():
        return provenance.json("status")["storage"]

    assert provenance.json("storage") == {"storage": None, "trees": None}
    assert where() is None
    assert provenance.json("storage", place, "--cache", "70000") == {"storage": place, "trees": 3}
    assert where() == place
    config = (provenance.folder / ".provenance/config.toml").read_text()
    assert f'[storage]\nurl = "{place}"\ncacheBytes = 70000\n' in config
    assert provenance.json("storage", place) == {"storage": place, "trees": 3}
    assert (provenance.folder / ".provenance/config.toml").read_text() == config
    assert len([*(provenance.folder / ".provenance/trees").iterdir()]) == 6
    assert provenance.json("storage", "--free") == {"storage": place, "trees": 3}
    assert not any((provenance.folder / ".provenance/trees").iterdir())
    provenance("prove", "rows", "--index", "3")
    out, _ = provenance("status")
    assert f"artifacts     3, their trees in {place}\n" in out
    out, _ = provenance("serve", "--check")
    assert f"  trees: {place} (config.toml)\n" in out
    provenance("backup", "../copy")
    out, _ = provenance("backup", "../second")
    assert f"without the trees in {place}: they stay there, as they are" in out
    assert provenance("storage")[0] == f"the trees are in {place}\n"


def test_what_cannot_be(provenance, place):
    for arguments, said in (
        (("--free",), "this ledger has no storage: `provenance storage URL` gives it one"),
        ((place, "--free"), "--free stands alone"),
        (("--cache", "7"), "--cache goes with a URL"),
        (("bucket/x",), "storage is a URL such as s3://bucket/prefix"),
        (("odd://bucket",), "the storage odd://bucket cannot be used: Protocol not known"),
    ):
        assert said in provenance("storage", *arguments, status=2)[1]
    provenance("storage", place)
    _, told = provenance("storage", f"{place}2", status=2)
    assert f"its trees are in {place}: copy all that is there to the other place" in told


def test_a_new_ledger_with_one(elsewhere, place):
    elsewhere("init", "--origin", "a.example/x", "new", "--storage", "bucket", status=2)
    told = elsewhere.json("init", "--origin", "a.example/x", "new", "--storage", place)
    assert told["origin"] == "a.example/x"
    assert f'url = "{place}"' in (elsewhere.folder / "new/.provenance/config.toml").read_text()


def test_a_storage_that_went_away(provenance, place, tmp_path):
    provenance("storage", place)
    (tmp_path / "place").rename(tmp_path / "away")
    _, told = provenance("storage", status=2)
    assert f"{place} holds no trees of a ledger" in told
    out, _ = provenance("serve", "--check", status=2)
    assert f"not ready: the storage of trees does not answer: {place} holds no trees" in out
