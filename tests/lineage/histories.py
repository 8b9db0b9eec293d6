"""Statements in a line, and their history, as a ledger that holds them would give it."""

from dataclasses import replace

from provenance.lineage import End, Event, History, walk
from provenance.records import ARTIFACT_DIGEST, JSON, Artifact
from provenance.statements import (
    ArtifactRef,
    Dataset,
    Model,
    Outputs,
    Quality,
    Statement,
    Step,
    Subject,
    Supersede,
)

SIGNER = "ab" * 32
TIME = "2026-06-01T00:00:00Z"
STAMP = {"nonce": bytes(16), "issued": TIME}


def artifact(name):
    return Artifact(root=name.encode().ljust(32, b"\0")[:32], size=1, encoding=JSON)


def digest(name):
    return {ARTIFACT_DIGEST: artifact(name).digest_hex}


def subject(name):
    return Subject(name=name, digest=digest(name))


def reference(name):
    return ArtifactRef(name=name, digest=digest(name))


def dataset(name):
    return Statement(subjects=(subject(name),), predicate=Dataset(**STAMP, artifact=artifact(name)))


def step(name, inputs, outputs, **more):
    run = Step(
        **STAMP,
        name=name,
        inputs=tuple(map(reference, inputs)),
        started=TIME,
        finished=TIME,
        outcome="failed" if "error" in more else "succeeded",
        **more,
    )
    return Statement(subjects=tuple(map(subject, outputs)) or (run.run,), predicate=run)


def outputs(name, model):
    predicate = Outputs(**STAMP, artifact=artifact(name), model=reference(model))
    return Statement(subjects=(subject(name),), predicate=predicate)


def supersede(old, new):
    predicate = Supersede(**STAMP, replacement=reference(new), reason="mislabelled")
    return Statement(subjects=(subject(old),), predicate=predicate)


def quality(name):
    predicate = Quality(
        **STAMP, metrics={"accuracy": "0.8"}, criteria={"accuracy": ">= 0.9"}, passed=False
    )
    return Statement(subjects=(subject(name),), predicate=predicate)


def entries_of(statements, artifacts, *, onward):
    """Entries that have some of the artifacts as subjects; or onward, that were made of them."""
    for index, statement in enumerate(statements):
        named = [s.artifact for s in statement.subjects]
        if onward:
            made = statement.kind != "supersede"
            named = [r.artifact for r in statement.predicate.references() if made]
        if set(named) & set(artifacts):
            yield index


def linked_by(statements, entries, *, onward):
    for index in entries:
        statement = statements[index]
        if statement.kind != "supersede":
            named = statement.subjects if onward else statement.predicate.references()
            yield from (each.artifact for each in named if each.artifact is not None)


def known(statements):
    """What follows for each artifact, of signatures that all count."""
    ends = {}
    for index, statement in enumerate(statements):
        digest = statement.artifact_digests()[0] if statement.artifact_digests() else b""
        if isinstance(statement.predicate, Dataset | Model | Outputs):
            ends.setdefault(digest, End(index))
    for index, statement in enumerate(statements):
        if statement.kind == "supersede":
            digest = statement.artifact_digests()[0]
            ends[digest] = replace(ends.get(digest, End()), superseded=index)
    return ends


def history(*statements, of, onward=False, depth=None):
    """As a ledger with these statements would give it."""
    steps = walk(
        artifact(of).digest,
        statements=lambda level: list(entries_of(statements, level, onward=onward)),
        linked=lambda entries: linked_by(statements, entries, onward=onward),
        depth=depth,
    )
    events = (Event(index, statements[index], (SIGNER,), far) for index, far in steps)
    size, ends = len(statements), known(statements)
    return History(artifact(of).digest, tuple(events), size=size, ends=ends)


PIPELINE = (
    dataset("raw"),  # 0
    dataset("unrelated"),
    dataset("clean"),  # 2
    dataset("rest"),
    step("dedupe", ["raw"], ["clean", "rest"], parameters={"threshold": 0.9}),  # 4
    step("look", ["clean"], [], error="ValueError: no"),
    dataset("model"),  # 6
    step("train", ["clean"], ["model"]),
    outputs("answers", "model"),  # 8
    quality("clean"),
    dataset("better"),  # 10
    supersede("raw", "better"),
)

HOSTILE = [
    '"]; evil["x',
    '") --> evil("x',
    "`**markdown**`",
    "%%{init: {'theme':'dark'}}%%",
    "#quot; &quot; &#34; #35;",
    "<script>alert(1)</script>",
    "a\\",
    'a\\" -> evil; "',
    "end subgraph click call(x)",
    "a|b{c}d;e\\nf\\Ng",
    "classDef x fill:#f00",
    "fa:fa-car style x:#y; z",
    "'$$x$$' - @{ shape: cyl }",
    "\u200fשם\u061c \u200e\ufeff",
    "名前 – ünïcode",
    "x" * 990,  # a name has at most 1,000 signs
]
