"""How fast this is, beside others on the same data, in one run.

    scripts/bench [CASE…] [--size full|small] [--folder DIR] [--page FILE] [--rounds N]

prints a table for each case and writes all that was measured in DIR as docs/benchmarks.md. Without
CASE all of them run; those that DIR holds results of run again only when they are named. Peers,
data and results stay in DIR, by default ~/.cache/provenance-bench; remove it to begin anew. Full
sizes take about an hour, 8 GB of memory and 20 GB of disk.

--size small runs the same code in seconds, installs nothing, and writes no page but FILE.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cases import CASES, SIZES, Case, Size
from contest import Contestant, NotRunError, Outcome, Parts, contest, run_command, table
from peers import Environments

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def measure(
    case: Case, size: Size, folder: Path, environments: Environments, rounds: int
) -> dict[str, Any]:
    """Run one case; return all that its section says."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    case.prepare(data, size)
    load = os.getloadavg()[0]
    product = {
        **environments.variables(""),
        "BENCH": str(HERE / "workers"),
        "XDG_CACHE_HOME": str(data / ".cache"),
    }
    limits: dict[str, Any] = {}
    if case.compressions(size):
        said = subprocess.run(
            [sys.executable, HERE / "workers" / "limits.py", data],
            capture_output=True,
            check=True,
        )
        limits = json.loads(said.stdout)

    def run(contestant: Contestant) -> tuple[Parts, dict[str, Any]]:
        variables = environments.variables(contestant.peer)
        return run_command(contestant, data, {**product, **variables})

    outcomes = contest(case.contestants(size), run, rounds)
    versions = {
        o.contestant.peer: environments.version(o.contestant.peer)
        for o in outcomes
        if o.contestant.peer and not o.missing
    }
    return {
        "when": time.strftime("%Y-%m-%d"),
        "load": load,
        "rounds": rounds,
        "limits": limits,
        "compressions": case.compressions(size),
        "versions": versions,
        "outcomes": [outcome.to_json() for outcome in outcomes],
    }


def section(case: Case, result: dict[str, Any]) -> str:
    """Return what the page says of one case."""
    outcomes = [Outcome.from_json(value) for value in result["outcomes"]]
    named = {outcome.contestant.name: outcome for outcome in outcomes}
    lines = [f"## {case.title}", "", case.about]
    for part in case.parts:
        lines += ["", *([f"{part.capitalize()}:", ""] if part else [])]
        lines.append(table(outcomes, case.unit, part))
    remarks = case.remarks(named)
    if result["limits"]:
        limits = result["limits"]
        _, seconds = outcomes[0].parts[case.parts[0]]
        share = result["compressions"] / seconds / limits["compressions"]
        remarks = [
            f"The limit: the kernel reaches {limits['compressions'] / 10**6:,.0f} million SHA-256 "
            f"compressions a second on data in the cache, on all cores; "
            f"{outcomes[0].contestant.name} reaches {share:.0%} of that.",
            *remarks,
        ]
    for remark in remarks:
        lines += ["", remark]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    rounds = f"Medians of {result['rounds']} runs" if result["rounds"] > 1 else "One run"
    lines += ["", f"{rounds}, {result['when']}."]
    lines[-1] += f" Load of the machine before: {result['load']:.1f}."
    lines[-1] += f" {versions}." if versions else ""
    lines += ["", "```sh", *(commands(outcome) for outcome in outcomes), "```"]
    return "\n".join(lines)


def commands(outcome: Outcome) -> str:
    """Return the command line of a contestant, with what is run before it, untimed."""
    one = outcome.contestant
    before = f"# before, not timed: {one.before}\n" if one.before else ""
    return f"{before}{one.command}"


def machine(results: dict[str, dict[str, Any]]) -> str:
    """Describe the machine, and what it can do at best as the cases found it."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = {
        key.strip(): value.strip()
        for key, colon, value in (line.partition(":") for line in info.splitlines())
        if colon
    }
    known = ("sha_ni", "avx2", "avx512f", "avx512bw")
    has = [flag for flag in known if flag in fields.get("flags", "").split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        f"{os.cpu_count()} cores of {fields.get('model name', platform.machine())}"
        f" ({', '.join(has) or 'no vector extension known here'}), {memory:.0f} GiB of memory, "
        f"{platform.system()}, Python {platform.python_version()}."
    ]
    found = [result["limits"] for result in results.values() if result["limits"]]
    if found:
        best = {key: max(limits[key] for limits in found) for key in found[0]}
        lines += [
            "",
            f"In these runs it did {best['compressions, one core'] / 10**6:,.0f} million SHA-256 "
            f"compressions a second by the kernel `{best['kernel']}` on one core, "
            f"{best['compressions'] / 10**6:,.0f} on all; copied {best['copying'] / 1e9:.1f} GB/s "
            f"in memory on one core; read {best['reading, one thread'] / 1e9:.1f} GB/s from the "
            f"page cache in one thread, {best['reading'] / 1e9:.1f} in as many as cores.",
        ]
    return "\n".join(lines)


def page(results: dict[str, dict[str, Any]]) -> str:
    """Return the page of all that was measured."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench`. In each table the contestants took turns on the same data, in "
        "the page cache, in one run. A column headed × says how many times as much time a unit "
        "costs the contestant of the row; below 1 it is faster. Processor: its seconds, all cores "
        "together, which other work on the machine disturbs less. `$BENCH` is tests/bench/workers.",
        "",
        machine(results),
    ]
    for name, case in CASES.items():
        if name in results:
            lines += ["", section(case, results[name])]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--folder", type=Path, default=cache / "provenance-bench", metavar="DIR")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each contestant runs")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page here")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    folder = (arguments.folder / arguments.size).absolute()
    kept = folder / "results"
    kept.mkdir(parents=True, exist_ok=True)
    results = {
        path.stem: json.loads(path.read_text())
        for path in kept.glob("*.json")
        if path.stem in CASES
    }
    full, size = arguments.size == "full", SIZES[arguments.size]
    environments = Environments(arguments.folder.absolute() / "environments", install=full)
    try:
        for name in arguments.cases or [name for name in CASES if name not in results]:
            print(f"{name} …", file=sys.stderr)
            rounds = arguments.rounds or size.rounds
            results[name] = measure(CASES[name], size, folder, environments, rounds)
            draft = kept / f"{name}.json.new"
            draft.write_text(json.dumps(results[name], indent=1))
            draft.rename(kept / f"{name}.json")
            print(section(CASES[name], results[name]), end="\n\n", flush=True)
    except NotRunError as reason:
        print(f"scripts/bench: {reason}", file=sys.stderr)
        return 1
    target = arguments.page or (ROOT / "docs" / "benchmarks.md" if full else None)
    if target:
        target.write_text(page(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
