"""``access``: who asked the service for an artifact, as a person and as a program read it."""

import pytest

from provenance import Ledger


@pytest.fixture
def used(provenance):
    """The command, where `rows` was used three times by somebody and by the public."""
    with Ledger.open(provenance.folder) as ledger:
        token, _ = ledger.tokens.new("auditor")
        artifact = ledger.resolve("rows").artifact.digest
        for number in range(2):
            ledger.access_log.record(
                "prove", [(artifact, [7, number])], who=token.id, request=f"r{number}"
            )
        ledger.access_log.roll()
        ledger.access_log.record("show", [(artifact, None)], who="public", request="r2")
        ledger.access_log._file.close()  # as a process leaves it that is killed
        ledger.access_log._file = None
    provenance.token = token.id
    return provenance


def test_it_is_told_for_a_person(used):
    out, told = used("access", "rows")
    first, second, third = (line.split("  ", 1)[1] for line in out.splitlines())
    assert first == "recorded      show  by public  request r2"
    entry = used.json("access", "rows")["uses"][1]["entry"]
    who = f"by {used.token} 'auditor'"
    assert second == f"logged        prove 7, 1  {who}  request r1, entry {entry}, use 1"
    assert third == f"logged        prove 7, 0  {who}  request r0, entry {entry}, use 0"
    assert told == f"entry {entry}, logged: 2 of these uses, all of them here\n"
    (rows,) = (used.folder / ".provenance/access").glob("*.jsonl")
    rows.write_bytes(b"\n" + rows.read_bytes().split(b"\n", 1)[1])
    _, told = used("access", "rows")
    assert told == f"entry {entry}, logged: 2 of these uses, 1 of them erased or altered\n"


def test_page_by_page(used):
    out, told = used("access", "rows", "--limit", "2")
    cursor = used.json("access", "rows", "--limit", "2")["next_cursor"]
    assert (len(out.splitlines()), told.splitlines()[-1]) == (
        2,
        f"there may be more: --cursor {cursor}",
    )
    rest = used.json("access", "rows", "--cursor", cursor)
    assert [use["record"]["request"] for use in rest["uses"]] == ["r0"]
    assert rest["next_cursor"] is None
    assert used.json("access", "rows", "--since", "2100-01-01")["uses"] == []


def test_what_waits_is_signed_when_that_is_asked_for(used):
    size = used.json("status")["size"]
    out, _ = used("access", "--roll")
    assert out == f"signed: {size}\n"
    assert used("access", "--roll")[0] == "signed: nothing waited\n"
    assert used.json("access", "--roll") == {"entries": []}
    states = {use["state"] for use in used.json("access", "rows", "--roll")["uses"]}
    assert states == {"logged"}


def test_what_is_not_asked_for(used):
    _, said = used("access", status=2)
    assert "name an artifact, or give --roll" in said
    _, said = used("access", "nobody", status=2)
    assert "nothing is registered as 'nobody'" in said
