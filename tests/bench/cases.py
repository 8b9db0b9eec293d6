"""The cases: what is measured, on which data, by whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contest import Contestant, Outcome, spent, times
from data import RECORD, made, make_file, make_files, make_rows

WORKERS = "$BENCH"
"""Where the commands find tests/bench/workers."""


@dataclass(frozen=True)
class Size:
    """How much of everything. `slow` and `slowest` are for those who would take minutes.

    Attributes:
        rounds: how often each contestant runs.
        file_size, file: bytes of each of the `files`, and of the one.
        flat: numbers of records.
        indexed: numbers of leaves.
        served: records of the artifact that is served.
        loaded: seconds of load.
        submitted: numbers of statements, one by one and in batches.
    """

    rounds: int
    files: int
    file_size: int
    file: int
    records: int
    slow_records: int
    slowest_records: int
    rows: int
    slow_rows: int
    single_proofs: int
    many_proofs: int
    flat: tuple[int, ...]
    indexed: tuple[int, ...]
    looked_up: int
    served: int
    loaded: int
    submitted: tuple[int, int]


SIZES = {
    "full": Size(
        rounds=3,
        files=20_000,
        file_size=32 << 10,
        file=2 << 30,
        records=10_000_000,
        slow_records=200_000,
        slowest_records=5_000,
        rows=3_000_000,
        slow_rows=100_000,
        single_proofs=1_000,
        many_proofs=100_000,
        flat=(10**5, 10**6, 10**7, 10**8),
        indexed=(10**6, 10**8),
        looked_up=2_000,
        served=1_000_000,
        loaded=10,
        submitted=(2_000, 40_000),
    ),
    "small": Size(
        rounds=1,
        files=40,
        file_size=4 << 10,
        file=(3 << 20) + 1,
        records=3_000,
        slow_records=1_000,
        slowest_records=100,
        rows=500,
        slow_rows=500,
        single_proofs=10,
        many_proofs=100,
        flat=(10**3, 10**4),
        indexed=(10**3, 10**4),
        looked_up=100,
        served=1_000,
        loaded=1,
        submitted=(20, 100),
    ),
}


@dataclass(frozen=True)
class Case:
    """One contest.

    Attributes:
        title: its heading.
        about: what is done; a sentence or two.
        unit: what is counted.
        prepare: makes the data in a folder.
        contestants: who takes part.
        parts: what the contestants time; each has a table.
        compressions: how many SHA-256 compressions the first contestant needs for its work; 0
            where that says nothing.
        remarks: further lines, of the outcomes by name.
    """

    title: str
    about: str
    unit: str
    prepare: Callable[[Path, Size], None]
    contestants: Callable[[Size], Sequence[Contestant]]
    parts: tuple[str, ...] = ("",)
    compressions: Callable[[Size], int] = lambda size: 0
    remarks: Callable[[dict[str, Outcome]], list[str]] = lambda outcomes: []


def blocks(length: int) -> int:
    """SHA-256 compressions for a message: one byte of padding and eight of length go with it."""
    return (length + 9 + 63) // 64


# --- files ------------------------------------------------------------------------------------

NOTHING_KNOWN = "rm -rf $XDG_CACHE_HOME"
"""Nobody has a cache of digests from a run before: it lies in the folder of the data."""

KEYS = (
    "openssl ecparam -name prime256v1 -genkey -noout | "
    "openssl pkcs8 -topk8 -nocrypt -out key.pem 2>/dev/null"
)
SIGN = f"[ -e key.pem ] || {KEYS}"
DVC = (
    "rm -rf .dvc *.dvc && dvc init --no-scm -q && dvc config core.analytics false && "
    'dvc config core.check_update false && dvc config core.site_cache_dir "$PWD/.dvc/site"'
)


def signers(path: str, count: int) -> list[Contestant]:
    """The peers that take a file and a folder alike."""
    return [
        Contestant(
            "model_signing sign",
            f"model_signing sign key --private_key key.pem --signature {path}.sig {path}",
            count,
            "model_signing",
            before=SIGN,
        ),
        Contestant("dvc add", f"dvc add --no-commit -q {path}", count, "dvc", before=DVC),
        Contestant(
            "in-toto-run",
            f"in-toto-run -n bench -m {path} --signing-key key.pem --no-command",
            count,
            "in-toto",
            before=SIGN,
        ),
    ]


def files(size: Size) -> list[Contestant]:
    def each(name: str, command: str, spread: str = "xargs -0") -> Contestant:
        found = f"find files -type f -print0 | {spread} {command}"
        return Contestant(name, found, size.files, command.split()[0])

    names = "find files -type f | git hash-object --stdin-paths"
    return [
        Contestant(
            "provenance hash",
            "provenance hash files",
            size.files,
            base=True,
            before=NOTHING_KNOWN,
        ),
        Contestant(
            "… --digest blake3",
            "provenance hash --digest blake3 files",
            size.files,
            base=True,
            before=NOTHING_KNOWN,
        ),
        each("sha256sum", "sha256sum"),
        # By itself it takes one small file after the other.
        each("b3sum", "b3sum --num-threads 1", "xargs -0 -n 1000 -P $(nproc)"),
        each("openssl dgst", "openssl dgst -sha256 -r"),
        *signers("files", size.files),
        Contestant("git hash-object", names, size.files, "git"),
    ]


def file(size: Size) -> list[Contestant]:
    mebibytes = max(1, size.file >> 20)
    return [
        Contestant(
            "provenance hash --tree-only",
            "provenance hash --tree-only file.bin",
            mebibytes,
            base=True,
            before=NOTHING_KNOWN,
        ),
        Contestant(
            "provenance hash",
            "provenance hash file.bin",
            mebibytes,
            base=True,
            before=NOTHING_KNOWN,
        ),
        Contestant("sha256sum", "sha256sum file.bin", mebibytes, "sha256sum"),
        Contestant("b3sum", "b3sum file.bin", mebibytes, "b3sum"),
        Contestant("openssl dgst", "openssl dgst -sha256 -r file.bin", mebibytes, "openssl"),
        *signers("file.bin", mebibytes),
        # Beyond the threshold it would deflate what it hashes.
        Contestant(
            "git hash-object",
            "git -c core.bigFileThreshold=1000g hash-object file.bin",
            mebibytes,
            "git",
        ),
    ]


def start(size: Size) -> list[Contestant]:
    """How long it takes until anything begins."""
    return [
        Contestant("python -c pass", "python -c pass", 1, base=True),
        Contestant("provenance --version", "provenance --version", 1),
        Contestant("model_signing", "model_signing --version", 1, "model_signing"),
        Contestant("dvc", "dvc --version", 1, "dvc"),
        Contestant("in-toto-run", "in-toto-run --version", 1, "in-toto"),
    ]


# --- a folder that did not change -------------------------------------------------------------

LEDGER = f"{NOTHING_KNOWN} && rm -rf .provenance && provenance init --origin bench.example/again"


def again(size: Size) -> list[Contestant]:
    register = "provenance register files"
    dvc = "dvc add --no-commit -q files"
    return [
        Contestant("again", register, size.files, base=True, before=f"{LEDGER} && {register}"),
        Contestant("the first time", register, size.files, before=LEDGER),
        Contestant(
            "one file changed",
            register,
            size.files,
            before=f"{LEDGER} && {register} && touch files/000/000000.bin",
        ),
        Contestant("dvc add, the first time", dvc, size.files, "dvc", before=DVC),
        Contestant("dvc add, again", dvc, size.files, "dvc", before=f"{DVC} && {dvc}"),
        Contestant("python -c pass", "python -c pass", size.files),
    ]


def without_start(outcomes: dict[str, Outcome]) -> list[str]:
    begun = outcomes["python -c pass"].parts[""][1]
    first, later = (outcomes[name].parts[""][1] for name in ("the first time", "again"))
    return [
        f"Without the start of Python ({spent(begun)} s) the second time is "
        f"{times((first - begun) / (later - begun))} times as fast as the first."
    ]


# --- records ----------------------------------------------------------------------------------


def records(size: Size) -> list[Contestant]:
    def one(peer: str, count: int, worker: str = "python $BENCH/trees.py") -> Contestant:
        return Contestant(
            peer,
            f"{worker} {peer} records.bin {count}",
            count,
            peer,
            agrees=peer in ("merkletools", "pymerkle"),
            timed_inside=True,
        )

    ours = f"python {WORKERS}/trees.py provenance records.bin {size.records}"
    return [
        Contestant("provenance", ours, size.records, base=True, agrees=True, timed_inside=True),
        Contestant(
            "provenance, hashlib",
            f"PROVENANCE_KERNEL=hashlib {ours}",
            size.records,
            agrees=True,
            timed_inside=True,
        ),
        one("merkletools", size.records),
        one("pymerkle", size.slow_records),
        one("merkly", size.slow_records),
        one("merkletreejs", size.slow_records, "node $BENCH/trees.cjs"),
        one("@openzeppelin/merkle-tree", size.slowest_records, "node $BENCH/trees.cjs"),
    ]


def memory(outcomes: dict[str, Outcome]) -> list[str]:
    used = [
        f"{name} {outcome.said['memory']:,.0f}"
        for name, outcome in outcomes.items()
        if outcome.said.get("memory") is not None
    ]
    return [f"Memory beyond the data, bytes a record: {' · '.join(used)}."] if used else []


def flat(size: Size) -> list[Contestant]:
    return [
        Contestant(
            f"{count:,}",
            f"python {WORKERS}/flat.py {count} .",
            count,
            base=count == size.flat[0],
            timed_inside=True,
        )
        for count in size.flat
    ]


def proofs(size: Size) -> list[Contestant]:
    work = f"records.tree {size.single_proofs} {size.many_proofs}"
    return [
        Contestant(
            name,
            f"python {WORKERS}/proofs.py {name} {work}",
            size.many_proofs,
            "" if name == "provenance" else name,
            base=name == "provenance",
            timed_inside=True,
        )
        for name in ("provenance", "merkletools")
    ]


def make_tree(path: Path, count: int) -> None:
    """Write the tree file of `count` leaves whose hashes are random bytes."""
    import random

    from provenance.merkle import TreeWriter

    source = random.Random(4)
    with TreeWriter(path.parent) as writer:
        for at in range(0, count, 1 << 15):
            writer.extend(source.randbytes(32 * min(1 << 15, count - at)))
        writer.finish()
        writer.keep(path)


VERSIONS = {
    "extension": "the same and a tenth more",
    "subset": "without 1 of 20 records",
    "subset-shuffled": "without 1 of 10, shuffled",
    "permutation": "shuffled",
    "split": "4 of 5 and the rest",
    "split-shuffled": "4 of 5 and the rest, shuffled",
    "concatenation": "two parts joined",
}
"""What derives from the records, and how."""


def make_versions(folder: Path, count: int) -> None:
    """Write the trees of `count` random leaf hashes, and of all that derives from them."""
    import random

    from provenance.merkle import TreeWriter

    folder.mkdir()
    source = random.Random(6)
    data = b"".join(source.randbytes(32 * 100) for _ in range(count // 100))
    more = b"".join(source.randbytes(32 * 100) for _ in range(count // 1000))

    def write(name: str, numbers: Sequence[int], behind: bytes = b"") -> None:
        with TreeWriter(folder) as writer:
            for at in range(0, len(numbers), 1 << 15):
                block = numbers[at : at + (1 << 15)]
                writer.extend(b"".join([data[32 * i : 32 * i + 32] for i in block]))
            writer.extend(behind)
            writer.finish()
            writer.keep(folder / f"{name}.tree")

    whole = range(count)
    shuffled = source.sample(whole, count)
    is_first = [source.random() < 0.8 for _ in whole]
    first, rest = ([i for i in whole if is_first[i] is wanted] for wanted in (True, False))
    write("source", whole)
    write("extension.0", whole, more)
    write("subset.0", [i for i in whole if source.random() >= 0.05])
    write("subset-shuffled.0", shuffled[: count * 9 // 10])
    write("permutation.0", shuffled)
    write("split.0", first)
    write("split.1", rest)
    write("split-shuffled.0", shuffled[: count * 4 // 5])
    write("split-shuffled.1", shuffled[count * 4 // 5 :])
    write("concatenation.0", whole[: count // 3])
    write("concatenation.1", whole[count // 3 :])


def make_versions_once(folder: Path, size: Size) -> None:
    made(folder / "versions", lambda path: make_versions(path, size.records))


def derive(size: Size) -> list[Contestant]:
    def one(name: str, what: str, of: str, **options: bool | str) -> Contestant:
        command = f"python {WORKERS}/derive.py {what} {of} versions"
        return Contestant(name, command, size.records, timed_inside=True, **options)  # type: ignore[arg-type]

    found = [one("the root, computed anew", "root", "source", base=True)]
    for name, how in VERSIONS.items():
        made_before = (
            f"[ -e versions/{name}.proof ] || python {WORKERS}/derive.py prove {name} versions"
        )
        found += [
            one(f"{name.partition('-')[0]} ({how}): prove", "prove", name),
            one(f"{name.partition('-')[0]} ({how}): check", "check", name, before=made_before),
        ]
    return [
        *found,
        *[one(f"diff ({VERSIONS[name]})", "diff", name) for name in ("subset", "permutation")],
    ]


def proof_sizes(outcomes: dict[str, Outcome]) -> list[str]:
    proofs = [
        f"{name.removesuffix(': prove')} {outcome.said['bytes']:,}"
        for name, outcome in outcomes.items()
        if "bytes" in outcome.said
    ]
    used: dict[str, tuple[float, str]] = {}
    for name, outcome in outcomes.items():
        what = name.partition(": ")[2] or "diff"
        taken = outcome.said.get("memory", 0) / 2**20, name
        used[what] = max(used.get(what, taken), taken)
    most = [f"{name} {memory:,.0f}" for memory, name in used.values()]
    return [
        f"Bytes of the proofs: {' · '.join(proofs)}.",
        f"Memory, MiB beside mapped files, those that take most: {' · '.join(most)}.",
    ]


SERVERS = {
    "service": "provenance serve",
    "tutorial": "FastAPI, as its tutorial has it",
    "least": "FastAPI, the least there is",
}


def make_served(folder: Path, size: Size) -> None:
    import subprocess
    import sys

    def make(path: Path) -> None:
        path.mkdir()
        worker = Path(__file__).parent / "workers" / "load.py"
        subprocess.run([sys.executable, worker, "prepare", str(size.served)], cwd=path, check=True)

    made(folder / "served", make)


def load(size: Size) -> list[Contestant]:
    return [
        Contestant(
            name,
            f"cd served && python {WORKERS}/load.py {who} {size.loaded}",
            size.loaded,
            "wrk",
            base=who == "service",
            timed_inside=True,
        )
        for who, name in SERVERS.items()
    ]


def submit(size: Size) -> list[Contestant]:
    return [
        Contestant(
            name,
            f"python {WORKERS}/submit.py {count} {batch}",
            count,
            base=batch == 1,
            timed_inside=True,
        )
        for name, count, batch in (
            ("one by one", size.submitted[0], 1),
            ("batches of 1,000", size.submitted[1], 1000),
        )
    ]


def delays(outcomes: dict[str, Outcome]) -> list[str]:
    found = []
    for what, key in (("99 of 100 answered within, ms", "p99"), ("Processor, ms", "processor")):
        told = [
            f"{name} {' and '.join(f'{value:.1f}' for value in outcome.said[key].values())}"
            for name, outcome in outcomes.items()
            if key in outcome.said
        ]
        if told:
            found.append(f"{what}, of a proof and a verdict: {' · '.join(told)}.")
    return found


def make_trees(folder: Path, size: Size) -> None:
    for count in size.indexed:
        made(folder / f"{count}.tree", partial(make_tree, count=count))


def make_trees_and_records(folder: Path, size: Size) -> None:
    make_trees(folder, size)
    made(folder / "records.bin", lambda path: make_file(path, size.records * RECORD))


def index(size: Size) -> list[Contestant]:
    def build(count: int, name: str, variables: str = "") -> Contestant:
        command = f"{variables}python {WORKERS}/index.py {count}.tree"
        return Contestant(f"{count:,}{name}", command, count, timed_inside=True)

    without = "PROVENANCE_KERNEL=hashlib "
    hashing = f"{without}python {WORKERS}/trees.py provenance records.bin {size.records}"
    return [
        Contestant("hashing by hashlib", hashing, size.records, base=True, timed_inside=True),
        *[build(count, "") for count in size.indexed],
        *[build(count, ", without the extension", without) for count in size.indexed],
    ]


def lookup(size: Size) -> list[Contestant]:
    return [
        Contestant(
            f"{count:,}",
            f"python {WORKERS}/lookup.py {count}.tree {size.looked_up}",
            size.looked_up,
            base=count == size.indexed[0],
            before=f"[ -e {count}.index ] || python {WORKERS}/index.py {count}.tree",
            timed_inside=True,
        )
        for count in size.indexed
    ]


def length(outcomes: dict[str, Outcome]) -> list[str]:
    told = [f"{name} {o.said['bytes']:.2f}" for name, o in outcomes.items() if "bytes" in o.said]
    return [f"Bytes a leaf: {' · '.join(told)}."]


# --- rows -------------------------------------------------------------------------------------


def rows(size: Size) -> list[Contestant]:
    ours = "provenance hash rows.parquet"
    return [
        Contestant(
            "provenance hash",
            ours,
            size.rows,
            base=True,
            before=NOTHING_KNOWN,
            agrees=True,
        ),
        Contestant(
            "provenance hash, hashlib",
            f"PROVENANCE_KERNEL=hashlib {ours}",
            size.rows,
            base=True,
            before=NOTHING_KNOWN,
            agrees=True,
        ),
        *[
            Contestant(
                name,
                f"python {WORKERS}/rows.py {name} rows.parquet {size.slow_rows}",
                size.slow_rows,
                name,
                agrees=name == "rfc8785",
                timed_inside=True,
            )
            for name in ("rfc8785", "orjson", "json")
        ],
    ]


CASES = {
    "start": Case(
        "The start of the interpreter",
        "It is part of every whole command below, and told apart here.",
        "starts",
        lambda folder, size: None,
        start,
    ),
    "files": Case(
        "Many files",
        "A folder of small files to one digest of all, or a digest each. Whole commands. git "
        "hashes by SHA-1, DVC by MD5; DVC is spared the copy into its cache.",
        "files",
        lambda folder, size: made(
            folder / "files", lambda path: make_files(path, size.files, size.file_size)
        ),
        files,
        compressions=lambda size: size.files * (blocks(size.file_size) + 5),
    ),
    "file": Case(
        "One file",
        "Whole commands. `--tree-only` leaves out the plain SHA-256 of the file, which no two "
        "cores can share.",
        "MiB",
        lambda folder, size: made(folder / "file.bin", lambda path: make_file(path, size.file)),
        file,
        compressions=lambda size: size.file // 64,
    ),
    "records": Case(
        "Trees of records",
        f"Records of {RECORD} bytes that lie in memory, to the root of a tree that can prove them. "
        "Only the building is timed. merkletools, given the two prefixes, and pymerkle come to the "
        "same root; the others have other trees. Who is slow does fewer.",
        "records",
        lambda folder, size: made(
            folder / "records.bin", lambda path: make_file(path, size.records * RECORD)
        ),
        records,
        compressions=lambda size: size.records * (blocks(1 + RECORD) + blocks(65)),
        remarks=memory,
    ),
    "rows": Case(
        "Rows of Parquet",
        "A table of eight columns (integers, texts, floats, booleans, timestamps, nulls) to the "
        "root over the RFC 8785 text of its rows; ours as a whole command, the others from the "
        "opened file on. orjson and json do not write RFC 8785, and come to other roots.",
        "rows",
        lambda folder, size: made(folder / "rows.parquet", lambda path: make_rows(path, size.rows)),
        rows,
    ),
    "proofs": Case(
        "Proofs",
        "Inclusion proofs of random records. Ours come from the stored tree, those of merkletools "
        "from memory, where it has built the tree before.",
        "proofs",
        lambda folder, size: made(
            folder / "records.tree", lambda path: make_tree(path, size.records)
        ),
        proofs,
        parts=("one proof", "one proof, checked", "many proofs", "many proofs, checked"),
    ),
    "index": Case(
        "The index of a tree",
        "By it a record is looked up in a tree. It is built from the tree file, of random leaf "
        f"hashes, to a file that is whole and durable; beside it, records of {RECORD} bytes in "
        "memory are hashed by hashlib, to the root of their tree.",
        "records",
        make_trees_and_records,
        index,
        remarks=length,
    ),
    "lookup": Case(
        "Looking up a record",
        "Random records, by their leaf hashes, in trees of so many: each time both files are "
        "opened, and what is found, or what is around it where there is no such record, is proven "
        "to be in the tree.",
        "records",
        make_trees,
        lookup,
        parts=("a record that is there", "a record that is not", "a record and its proof"),
    ),
    "derive": Case(
        "Derivations",
        "How the records of one version follow from those of another, from trees of random leaf "
        "hashes: the claim found and its proof written, whole and durable; the proof checked from "
        "the digests; and what changed, counted and listed. Beside it, the root of the source "
        "computed from its leaf hashes.",
        "records",
        make_versions_once,
        derive,
        remarks=proof_sizes,
    ),
    "load": Case(
        "The service under load",
        "One process of each answers 16 connections of wrk on the same machine, which ask for "
        "proofs of records by number, and for verdicts on such proofs with their records; the "
        "plain ones read what the service answered, as JSON, from one row of SQLite and return it, "
        "by a `def` endpoint. Each request is a line in a log.",
        "answers",
        make_served,
        load,
        parts=("proof", "verdict"),
        remarks=delays,
    ),
    "submit": Case(
        "Submissions",
        "Statements signed elsewhere come to `provenance serve` over eight connections on the same "
        "machine, and are in the log and on disk when they are answered.",
        "statements",
        lambda folder, size: None,
        submit,
    ),
    "again": Case(
        "A folder that did not change",
        "The same folder registered in a ledger once more. Whole commands.",
        "files",
        lambda folder, size: made(
            folder / "files", lambda path: make_files(path, size.files, size.file_size)
        ),
        again,
        remarks=without_start,
    ),
    "flat": Case(
        "The cost of a record",
        f"Records of {RECORD} bytes that come as a stream, to a tree file that is whole and "
        "durable.",
        "records",
        lambda folder, size: None,
        flat,
    ),
}
