"""A history as text, JSON, Mermaid and DOT. Names are hostile: each form escapes its own way.

The line of an arrow is its grade: solid where it is attested, thick where it is reproduced, dashed
where it is only declared, and red where it is broken. A dotted one leads to what supersedes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from provenance import forms
from provenance.derivation import Derivation
from provenance.lineage.grades import Arrow, Grade
from provenance.lineage.graph import Event, History
from provenance.lineage.shown import shown
from provenance.statements import Outputs, Quality, Review, Step, Supersede

__all__ = ["arrows_to_json", "claimed", "to_dot", "to_json", "to_mermaid", "to_text"]


class _Edge(NamedTuple):
    """A line of a drawing; without a grade it leads from an artifact to what supersedes it."""

    begin: str
    end: str
    grade: Grade | None
    label: str = ""


def to_json(history: History) -> dict[str, forms.Json]:
    """Return every statement with its place, signers and arrows, and what is known of artifacts."""
    circles = [[digest.hex() for digest in circle] for circle in history.circles]
    return {
        "artifact": history.artifact.hex(),
        "size": history.size,
        "artifacts": {
            digest.hex(): {"name": name, **_end_to_json(history, digest)}
            for digest, name in history.names.items()
        },
        "statements": [_event_to_json(history, event) for event in history.events],
        **({"circles": circles} if circles else {}),
        **({} if history.next_cursor is None else {"next_cursor": history.next_cursor}),
    }


def _end_to_json(history: History, artifact: bytes) -> dict[str, forms.Json]:
    end = history.end(artifact)
    return {
        **({} if end.registered is None else {"registered": end.registered}),
        **({"revoked": True} if end.revoked else {}),
        **({} if end.superseded is None else {"superseded": end.superseded}),
        **({"conflict": True} if end.conflict else {}),
    }


def _event_to_json(history: History, event: Event) -> dict[str, forms.Json]:
    reproduced = {digest.hex(): entry for digest, entry in event.reproduced.items()}
    arrows = arrows_to_json(history.arrows(event))
    return {
        "index": event.index,
        "depth": event.depth,
        "kind": event.statement.kind,
        "signers": list(event.signers),
        **({"revoked": list(event.revoked)} if event.revoked else {}),
        **({"reproduced": reproduced} if reproduced else {}),
        **({"arrows": arrows} if arrows else {}),
        "statement": json.loads(event.statement.to_bytes()),
    }


def arrows_to_json(arrows: list[Arrow]) -> list[dict[str, forms.Json]]:
    """Return the arrows of a statement as a list."""
    return [
        {
            "from" if each.into else "to": each.artifact.hex(),
            "grade": str(each.grade),
            **({"claims": [_claim_to_json(claim) for claim in each.claims]} if each.claims else {}),
        }
        for each in arrows
    ]


def _claim_to_json(claim: Derivation) -> dict[str, forms.Json]:
    return {
        "claim": claim.claim,
        "ordered": claim.ordered,
        "of": [source.hex() for source in claim.sources],
    }


def claimed(names: Mapping[bytes, str], arrow: Arrow) -> str:
    """Return what is claimed of the records of what an arrow leads to: "subset of raw, claimed"."""
    if not arrow.claims:
        return ""
    said = []
    for claim in arrow.claims:
        sources = [shown(names[source]) for source in claim.sources[:MOST_NAMED]]
        if len(claim.sources) > MOST_NAMED:
            sources.append(f"{len(claim.sources) - MOST_NAMED:,} more")
        what = "part of a split" if claim.claim == "split" else claim.claim
        said.append(f"{what} of {' and '.join(sources)}")
    return f"{', '.join(said)}, claimed"


MOST_NAMED = 3
"""Sources of a claim that are named."""


def to_text(history: History) -> str:
    """Return one line per statement, newest first, each with what it says and how sure that is."""
    lines = [line for event in reversed(history.in_log_order) for line in _lines(history, event)]
    names = history.names
    for circle in history.circles:
        told = (f"{shown(names[digest])} {digest.hex()[:12]}" for digest in circle)
        lines.append(f"made of themselves: {', '.join(told)}")
    return "".join(f"{line}\n" for line in lines)


def _lines(history: History, event: Event) -> Iterator[str]:
    statement, predicate = event.statement, event.statement.predicate
    subjects = ", ".join(shown(subject.name) for subject in statement.subjects)
    match predicate:
        case Step():
            yield f"#{event.index}  step {shown(predicate.name)} {predicate.outcome}"
            yield from _arrow_lines(history, event)
            for name, value in predicate.parameters.items():
                yield f"      {shown(name)} = {shown(json.dumps(value, ensure_ascii=False))}"
            if predicate.error:
                yield f"      {shown(predicate.error)}"
        case Quality():
            verdict = "passed" if predicate.passed else "FAILED"
            yield f"#{event.index}  quality of {subjects}: {verdict}"
            for name, metric in predicate.metrics.items():
                wanted = predicate.criteria.get(name)
                yield f"      {shown(name)} = {metric}" + (f", wanted {wanted}" if wanted else "")
        case Review():
            why = f": {shown(predicate.reason)}" if predicate.reason else ""
            yield f"#{event.index}  review of {subjects}: {predicate.verdict}{why}"
        case Supersede():
            by = f" by {shown(predicate.replacement.name)}" if predicate.replacement else ""
            yield f"#{event.index}  {subjects} superseded{by}: {shown(predicate.reason)}"
        case _:
            digest = next(iter(statement.artifact_digests())).hex()[:12]
            yield f"#{event.index}  {statement.kind} {subjects} {digest}"
            if isinstance(predicate, Outputs):
                yield from _arrow_lines(history, event)
    signers = ", ".join(
        keyid[:8] + (" (revoked)" if keyid in event.revoked else "") for keyid in event.signers
    )
    yield f"      signed {predicate.issued} by {signers}"


def _arrow_lines(history: History, event: Event) -> Iterator[str]:
    names = history.names
    for arrow in history.arrows(event):
        way = "from" if arrow.into else "made"
        named = f"{shown(names[arrow.artifact])} {arrow.artifact.hex()[:12]}"
        claim = claimed(names, arrow)
        said = _grade_text(history, event, arrow) + (f"; {claim}" if claim else "")
        yield f"      {way} {named}  {said}"


def _grade_text(history: History, event: Event, arrow: Arrow) -> str:
    end, said = history.end(arrow.artifact), str(arrow.grade)
    if arrow.grade is Grade.DECLARED:
        said += ": not registered here"
    elif arrow.grade is Grade.REPRODUCED and not arrow.into:
        said += f" by #{event.reproduced[arrow.artifact]}"
    elif arrow.grade is Grade.BROKEN and end.superseded is not None:
        said += f": superseded by #{end.superseded}"
    elif arrow.grade is Grade.BROKEN:
        said += ": signature revoked"
    return said + ("; others say it was made otherwise" if end.conflict else "")


def to_mermaid(history: History) -> str:
    """Return a Mermaid flowchart: artifacts as boxes, steps as rounded ones."""
    lines = ["flowchart LR"]
    for identity, label, is_step in _nodes(history):
        text = _mermaid_text(label)
        lines.append(f'  {identity}("{text}")' if is_step else f'  {identity}["{text}"]')
    edges = _edges(history)
    for edge in edges:
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.begin} {_MERMAID[edge.grade]}{label} {edge.end}")
    broken = [str(at) for at, edge in enumerate(edges) if edge.grade is Grade.BROKEN]
    if broken:
        lines.append(f"  linkStyle {','.join(broken)} stroke:red")
    return "\n".join(lines) + "\n"


def _mermaid_text(label: str) -> str:
    """Return a label in Mermaid's own entities: any sign may mean something, even in quotes.

    A colon too: ``fa:fa-car`` is a picture there, and behind ``style`` it spoils the entities.
    """
    return re.sub(r"[^\w .,/-]", lambda sign: f"#{ord(sign[0])};", label)


_MERMAID = {
    Grade.ATTESTED: "-->",
    Grade.REPRODUCED: "==>",
    Grade.DECLARED: "-.->",
    Grade.BROKEN: "--x",
    None: "-. superseded by .->",
}


def to_dot(history: History) -> str:
    """Return a Graphviz digraph: artifacts as boxes, steps as ellipses."""
    lines = ["digraph history {", "  rankdir=LR;"]
    for identity, label, is_step in _nodes(history):
        shape = "ellipse" if is_step else "box"
        lines.append(f"  {identity} [shape={shape}, label={_dot_text(label)}];")
    for edge in _edges(history):
        looks = [_DOT[edge.grade]] if _DOT[edge.grade] else []
        looks += [f"label={_dot_text(edge.label)}"] if edge.label else []
        look = f" [{', '.join(looks)}]" if looks else ""
        lines.append(f"  {edge.begin} -> {edge.end}{look};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(label: str) -> str:
    """Return a label in quotes, where Graphviz reads backslashes, and entities of HTML, too."""
    quoted = label.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


_DOT = {
    Grade.ATTESTED: "",
    Grade.REPRODUCED: "style=bold",
    Grade.DECLARED: "style=dashed",
    Grade.BROKEN: "color=red",
    None: 'style=dotted, label="superseded by"',
}


def _nodes(history: History) -> Iterator[tuple[str, str, bool]]:
    """Yield (id, label, whether it is a step)."""
    for digest, name in history.names.items():
        conflict = " (conflict)" if history.end(digest).conflict else ""
        yield f"a{digest.hex()[:16]}", f"{shown(name)} {digest.hex()[:8]}{conflict}", False
    for event in history.in_log_order:
        predicate = event.statement.predicate
        if isinstance(predicate, Step):
            failed = "" if predicate.outcome == "succeeded" else " (failed)"
            yield f"s{event.index}", shown(predicate.name) + failed, True


def _edges(history: History) -> list[_Edge]:
    """Return every line, each once: those of outputs go from the model to the batch."""
    edges: dict[_Edge, None] = {}
    names = history.names
    for event in history.in_log_order:
        statement, predicate = event.statement, event.statement.predicate
        arrows = history.arrows(event)
        if isinstance(predicate, Step):
            for arrow in arrows:
                ends = f"a{arrow.artifact.hex()[:16]}", f"s{event.index}"
                begin, end = ends if arrow.into else ends[::-1]
                edges[_Edge(begin, end, arrow.grade, claimed(names, arrow))] = None
        elif isinstance(predicate, Outputs) and arrows:
            model, batch = (f"a{arrow.artifact.hex()[:16]}" for arrow in arrows)
            edges[_Edge(model, batch, min(arrow.grade for arrow in arrows))] = None
        elif isinstance(predicate, Supersede) and predicate.replacement:
            old, new = statement.artifact_digests()
            edges[_Edge(f"a{old.hex()[:16]}", f"a{new.hex()[:16]}", None)] = None
    return list(edges)
