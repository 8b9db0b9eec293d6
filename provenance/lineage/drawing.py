"""A history as text, JSON, Mermaid and DOT. Names are hostile: each form escapes its own way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from provenance import forms
from provenance.lineage.graph import Event, History
from provenance.statements import Outputs, Quality, Step, Supersede

__all__ = ["to_dot", "to_json", "to_mermaid", "to_text"]

_Edge = tuple[str, str, str]


def to_json(history: History) -> dict[str, forms.Json]:
    """Return every statement with its place and signers, and each artifact's name."""
    return {
        "artifact": history.artifact.hex(),
        "artifacts": {digest.hex(): name for digest, name in history.names.items()},
        "statements": [
            {
                "index": event.index,
                "depth": event.depth,
                "kind": event.statement.kind,
                "signers": list(event.signers),
                "statement": json.loads(event.statement.to_bytes()),
            }
            for event in history.events
        ],
        **({} if history.next_cursor is None else {"next_cursor": history.next_cursor}),
    }


def to_text(history: History) -> str:
    """Return one line per statement, newest first, each with what it says."""
    return "".join(
        f"{line}\n" for event in reversed(history.in_log_order) for line in _lines(event)
    )


def _lines(event: Event) -> Iterator[str]:
    statement, predicate = event.statement, event.statement.predicate
    subjects = ", ".join(_shown(subject.name) for subject in statement.subjects)
    signers = ", ".join(keyid[:8] for keyid in event.signers)
    match predicate:
        case Step():
            yield f"#{event.index}  step {_shown(predicate.name)} {predicate.outcome}"
            for reference in predicate.inputs:
                yield f"      from {_shown(reference.name)} {reference.artifact.hex()[:12]}"
            for subject in statement.subjects:
                if subject.artifact is not None:
                    yield f"      made {_shown(subject.name)} {subject.artifact.hex()[:12]}"
            for name, value in predicate.parameters.items():
                yield f"      {_shown(name)} = {_shown(json.dumps(value, ensure_ascii=False))}"
            if predicate.error:
                yield f"      {_shown(predicate.error)}"
        case Quality():
            verdict = "passed" if predicate.passed else "FAILED"
            yield f"#{event.index}  quality of {subjects}: {verdict}"
            for name, metric in predicate.metrics.items():
                wanted = predicate.criteria.get(name)
                yield f"      {_shown(name)} = {metric}" + (f", wanted {wanted}" if wanted else "")
        case Supersede():
            by = f" by {_shown(predicate.replacement.name)}" if predicate.replacement else ""
            yield f"#{event.index}  {subjects} superseded{by}: {_shown(predicate.reason)}"
        case _:
            digest = next(iter(statement.artifact_digests())).hex()[:12]
            yield f"#{event.index}  {statement.kind} {subjects} {digest}"
    yield f"      signed {predicate.issued} by {signers}"


def to_mermaid(history: History) -> str:
    """Return a Mermaid flowchart: artifacts as boxes, steps as rounded ones."""
    lines = ["flowchart LR"]
    for identity, label, is_step in _nodes(history):
        # Mermaid's own entities: any sign may mean something to it, even within quotes.
        text = re.sub(r"[^\w .,:/-]", lambda sign: f"#{ord(sign[0])};", label)
        lines.append(f'  {identity}("{text}")' if is_step else f'  {identity}["{text}"]')
    for begin, end, style in _edges(history):
        lines.append(f"  {begin} {'-.->' if style else '-->'} {end}")
    return "\n".join(lines) + "\n"


def to_dot(history: History) -> str:
    """Return a Graphviz digraph: artifacts as boxes, steps as ellipses."""
    lines = ["digraph history {", "  rankdir=LR;"]
    for identity, label, is_step in _nodes(history):
        text = label.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'  {identity} [shape={"ellipse" if is_step else "box"}, label="{text}"];')
    for begin, end, style in _edges(history):
        lines.append(f"  {begin} -> {end}{f' [style={style}]' if style else ''};")
    return "\n".join([*lines, "}"]) + "\n"


def _nodes(history: History) -> Iterator[tuple[str, str, bool]]:
    """Yield (id, label, whether it is a step)."""
    for digest, name in history.names.items():
        yield f"a{digest.hex()[:16]}", f"{_shown(name)} {digest.hex()[:8]}", False
    for event in history.in_log_order:
        predicate = event.statement.predicate
        if isinstance(predicate, Step):
            failed = "" if predicate.outcome == "succeeded" else " (failed)"
            yield f"s{event.index}", _shown(predicate.name) + failed, True


def _edges(history: History) -> list[_Edge]:
    """Return (from, to, DOT style), each once."""
    edges: dict[_Edge, None] = {}
    for event in history.in_log_order:
        predicate = event.statement.predicate
        subjects = [s.artifact for s in event.statement.subjects if s.artifact is not None]
        for reference in predicate.references():
            source = f"a{reference.artifact.hex()[:16]}"
            if isinstance(predicate, Step):
                edges[source, f"s{event.index}", ""] = None
            elif isinstance(predicate, Outputs):
                edges[source, f"a{subjects[0].hex()[:16]}", ""] = None
            elif isinstance(predicate, Supersede):
                edges[f"a{subjects[0].hex()[:16]}", source, "dashed"] = None
        if isinstance(predicate, Step):
            for subject in subjects:
                edges[f"s{event.index}", f"a{subject.hex()[:16]}", ""] = None
    return list(edges)


def _shown(text: str) -> str:
    """Return `text` without anything that a terminal or a drawing could take for a command."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
