"""The benchmark at small sizes: every case runs, and the tables say what was measured."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bench import commands, page, section
from cases import CASES, SIZES, blocks
from contest import PROCESSOR, Contestant, NotRunError, Outcome, contest, run_command, table
from peers import PEERS, Environments

HERE = Path(__file__).parent

ISSUED = {
    "files": ("sha256sum", "b3sum", "openssl", "model_signing", "dvc", "in-toto", "git"),
    "file": ("sha256sum", "b3sum", "openssl", "model_signing", "dvc", "in-toto", "git"),
    "records": (
        *("merkletools", "pymerkle", "merkly"),
        *("@openzeppelin/merkle-tree", "merkletreejs"),
    ),
    "rows": ("rfc8785", "orjson", "json"),
    "proofs": ("merkletools",),
    "again": ("dvc",),
    "load": ("wrk",),
}


# --- the arithmetic ---------------------------------------------------------------------------


def ran(name, *seconds, count=100, **options):
    """A contestant of whom the times of its runs are known."""
    return Contestant(name, f"run {name}", count, **options), list(seconds)


def played(*times, rounds=3):
    """The outcomes of contestants who take known times, and who ran in which order."""
    left, order = {one.name: seconds for one, seconds in times}, []

    def run(one):
        order.append(one.name)
        seconds = left[one.name].pop(0)
        if isinstance(seconds, str):
            raise NotRunError(seconds)
        return {"": (one.count, seconds)}, {}

    return contest([one for one, _ in times], run, rounds), order


def test_contestants_take_turns_and_count_by_their_median():
    outcomes, order = played(ran("ours", 1.0, 9.0, 2.0, base=True), ran("theirs", 8.0, 6.0, 7.0))
    assert order == ["ours", "theirs"] * 3
    assert [outcome.parts for outcome in outcomes] == [{"": (100, 2.0)}, {"": (100, 7.0)}]
    assert table(outcomes, "files").splitlines() == [
        "| | files | seconds | files/s | × ours |",
        "|---|---:|---:|---:|---:|",
        "| **ours** | 100 | 2.000 | 50 | 1.00 |",
        "| theirs | 100 | 7.000 | 14 | 3.50 |",
    ]


def test_a_ratio_is_of_the_time_for_one_unit():
    outcomes, _ = played(
        ran("ours", 2.0, count=1_000_000, base=True),
        ran("slow", 4.0, count=1000),
        ran("ours, too", 0.5, count=1_000_000, base=True),
        rounds=1,
    )
    rows = table(outcomes, "records").splitlines()[2:]
    assert rows == [
        "| **ours** | 1,000,000 | 2.000 | 500,000 | 1.00 | 4.00 |",
        "| slow | 1,000 | 4.000 | 250 | 2,000 | 8,000 |",
        "| **ours, too** | 1,000,000 | 0.500 | 2,000,000 | 0.25 | 1.00 |",
    ]


def test_time_of_the_processor_has_a_column_where_it_is_known():
    ours, theirs = (Contestant(name, "", 10, base=name == "ours") for name in ("ours", "theirs"))
    outcomes = [Outcome(ours, {"": (10, 2.0), PROCESSOR: (10, 3.9)}), Outcome(theirs, missing="no")]
    assert table(outcomes, "files").splitlines() == [
        "| | files | seconds | processor | files/s | × ours |",
        "|---|---:|---:|---:|---:|---:|",
        "| **ours** | 10 | 2.000 | 3.900 | 5 | 1.00 |",
        "| theirs | not run: no |  |  |  |  |",
    ]


def test_who_fails_once_has_no_time_and_a_reason():
    outcomes, order = played(
        ran("ours", 1.0, 1.0, 1.0, base=True), ran("theirs", 1.0, "it | broke", peer="git")
    )
    assert order == ["ours", "theirs", "ours", "theirs", "ours"]
    assert outcomes[1].parts == outcomes[1].runs == {}
    assert (
        table(outcomes, "files").splitlines()[-1] == "| theirs | not run: it \\| broke |  |  |  |"
    )


def test_what_is_ours_must_not_fail():
    with pytest.raises(NotRunError, match="it broke"):
        played(ran("ours", "it broke", base=True))


def test_those_who_should_agree_are_held_to_it():
    contestants = [Contestant(name, "", 8, agrees=True) for name in ("ours", "theirs")]
    said = iter(["66", "66", "66", "67"])

    def run(one):
        return {"": (8, 1.0)}, {"root": next(said)}

    contest(contestants, run, 1)
    with pytest.raises(NotRunError, match="theirs and ours come to two roots"):
        contest(contestants, run, 1)


def test_a_command_that_fails_is_told_by_its_last_words(tmp_path):
    fails = Contestant("theirs", "echo first >&2; echo 'no such key' >&2; exit 3 | cat", 1)
    with pytest.raises(NotRunError, match="exit status 3: no such key"):
        run_command(fails, tmp_path, {})


def test_a_command_is_timed_without_what_is_before_it(tmp_path):
    parts, said = run_command(Contestant("ours", "cat", 7, before="touch made"), tmp_path, {})
    assert {part: count for part, (count, _) in parts.items()} == {"": 7, PROCESSOR: 7}
    assert said == {}
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize("length", [0, 55, 56, 119, 120, 201])
def test_compressions_of_a_message(length):
    """One bit 1, zeros and eight bytes of length up to whole blocks of 64: FIPS 180-4, 5.1.1."""
    zeros = next(zeros for zeros in range(64) if (length + 1 + zeros + 8) % 64 == 0)
    assert blocks(length) == (length + 1 + zeros + 8) / 64


# --- the contestants --------------------------------------------------------------------------


def test_every_peer_takes_part_where_it_should():
    for size in SIZES.values():
        for name, peers in ISSUED.items():
            contestants = CASES[name].contestants(size)
            assert {one.peer for one in contestants} - {""} == set(peers)
            assert any(one.base for one in contestants)
    assert {peer for peers in ISSUED.values() for peer in peers} == set(PEERS)


def test_a_peer_that_cannot_be_had_says_why(tmp_path, monkeypatch):
    nothing = Environments(tmp_path, install=False)
    with pytest.raises(NotRunError, match="not in the environment of the tests"):
        nothing.variables("dvc")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotRunError, match=r"b3sum \(Debian: b3sum\) is not installed"):
        nothing.variables("b3sum")
    with pytest.raises(NotRunError, match="there is no npm"):
        Environments(tmp_path, install=True).variables("merkletreejs")


def measure(folder):
    done = subprocess.run(
        [
            *[sys.executable, HERE / "bench.py", "--size", "small"],
            *["--folder", folder, "--page", folder / "page.md"],
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)


@pytest.fixture(scope="module")
def small(once):
    """Results and page of one run of everything at small sizes."""
    folder = once("bench", measure)
    kept = (folder / "small" / "results").glob("*.json")
    results = {path.stem: json.loads(path.read_text()) for path in kept}
    return results, (folder / "page.md").read_text(), (folder / "printed").read_text()


def test_every_case_runs(small):
    results, written, printed = small
    assert results.keys() == CASES.keys()
    assert written == page(results)
    for name, result in results.items():
        told = section(CASES[name], result)
        assert told in written
        assert told in printed
        for value in result["outcomes"]:
            outcome = Outcome.from_json(value)
            assert commands(outcome) in told
            if outcome.missing:
                assert "not in the environment" in outcome.missing or "Debian" in outcome.missing
                assert f"not run: {outcome.missing}" in told
            else:
                timed = {PROCESSOR} if CASES[name].parts == ("",) else set()
                assert set(outcome.parts) == {*CASES[name].parts, *timed}
                assert outcome.contestant.peer in ("", *result["versions"])


def test_those_whom_the_tests_have_did_run(small):
    ran = {
        outcome["contestant"]["peer"]
        for result in small[0].values()
        for outcome in result["outcomes"]
        if not outcome["missing"]
    }
    assert ran >= {"", "sha256sum", "openssl", "git", "merkletools", "rfc8785", "json"}
    assert "wrk" in ran or not shutil.which("wrk")


def test_each_table_is_true_to_its_results(small):
    """Every ratio, computed again from the medians that the run kept."""
    for name, result in small[0].items():
        outcomes = [Outcome.from_json(value) for value in result["outcomes"]]
        bases = [o for o in outcomes if o.contestant.base and not o.missing]
        for part in CASES[name].parts:
            rows = table(outcomes, CASES[name].unit, part).splitlines()[2:]
            for outcome, row in zip(outcomes, rows, strict=True):
                cells = [cell.strip() for cell in row.strip("|").split("|")]
                used = [outcome.parts[PROCESSOR][1]] if PROCESSOR in outcome.parts else []
                if outcome.missing:
                    continue
                assert len(cells) == 4 + len(used) + len(bases)
                count, seconds = outcome.parts[part]
                shown = [float(cell.replace(",", "")) for cell in cells[1:]]
                ratios = [
                    (seconds / count) / (base.parts[part][1] / base.parts[part][0])
                    for base in bases
                ]
                assert shown[0] == count
                assert shown[1 : 2 + len(used)] == pytest.approx([seconds, *used], 0.01, 0.0006)
                assert shown[2 + len(used)] == pytest.approx(count / seconds, abs=0.51)
                assert shown[3 + len(used) :] == pytest.approx(ratios, 0.01, 0.0051)


def test_the_page_names_no_place(small):
    assert "://" not in small[1]
    assert str(Path.home()) not in small[1]
    assert not re.search(r"/(tmp|work|usr|opt)/", small[1])
