"""History: every statement up to the sources, and drawings that no name can break out of."""

import html
import json
import re
from dataclasses import replace

import pytest
from histories import HOSTILE, PIPELINE, SIGNER, TIME, artifact, history, step, supersede
from hypothesis import given
from hypothesis import strategies as st

from provenance.derivation import Derivation
from provenance.lineage import End, Event, Grade, History, walk
from provenance.lineage.circles import circles
from provenance.lineage.impact import surest
from provenance.lineage.shown import shown as printed
from provenance.statements import Statement


@pytest.mark.parametrize(
    ("of", "indices"),
    [
        ("raw", [[0, 11]]),
        ("clean", [[2, 4, 9], [0, 11]]),
        ("rest", [[3, 4], [0, 11]]),
        ("model", [[6, 7], [2, 4, 9], [0, 11]]),
        ("answers", [[8], [6, 7], [2, 4, 9], [0, 11]]),
        ("better", [[10]]),
    ],
)
def test_every_statement_up_to_the_sources_and_none_else(of, indices):
    found = history(*PIPELINE, of=of)
    told = [(event.index, event.depth) for event in found.events]
    assert told == [(index, depth) for depth, level in enumerate(indices) for index in level]
    assert found.artifact == artifact(of).digest
    for depth in range(len(indices) + 1):
        less = history(*PIPELINE, of=of, depth=depth).events
        assert less == tuple(event for event in found.events if event.depth <= depth)


@pytest.mark.parametrize(
    ("of", "indices"),
    [
        ("raw", [[4], [5, 7], [8]]),
        ("clean", [[5, 7], [8]]),
        ("rest", []),
        ("model", [[8]]),
        ("answers", []),
        ("better", []),
    ],
)
def test_every_statement_on_to_what_was_made_and_none_else(of, indices):
    found = history(*PIPELINE, of=of, onward=True)
    told = [(event.index, event.depth) for event in found.events]
    assert told == [(index, depth) for depth, level in enumerate(indices) for index in level]


def test_a_circle_ends():
    found = history(step("a", ["x"], ["y"]), step("b", ["y"], ["x"]), of="x")
    assert [event.index for event in found.events] == [1, 0]
    assert found.to_mermaid().count("-.->") == 4
    circle = tuple(sorted((artifact("x").digest, artifact("y").digest)))
    assert found.circles == [circle]
    assert found.to_json()["circles"] == [[digest.hex() for digest in circle]]
    shown = ", ".join(
        f"{name} {artifact(name).digest_hex[:12]}"
        for name in sorted("xy", key=lambda name: artifact(name).digest)
    )
    assert f"\nmade of themselves: {shown}\n" in found.to_text()
    assert history(step("a", ["x"], ["x"]), of="x").circles == [(artifact("x").digest,)]
    assert history(*PIPELINE, of="answers").circles == []


@given(st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), max_size=3)))
def test_circles_are_what_can_be_gone_around(following):
    """By the closure of the relation, pair by pair."""
    leads = {(a, b) for a, others in following.items() for b in others}
    for _ in range(3):
        leads |= {(a, d) for a, b in leads for c, d in leads if b == c}
    around = {a: {b for b in range(7) if {(a, b), (b, a)} <= leads} | {a} for a in range(7)}
    expected = {frozenset(part) for part in around.values() if len(part) > 1}
    found = [frozenset(part) for part in circles(following)]
    assert (set(found), len(found)) == (expected, len(expected))


def test_a_long_chain_needs_no_stack():
    steps = walk(
        artifact("a0").digest,
        statements=lambda level: [at[each] for each in level if each in at],
        linked=lambda entries: [artifact(f"a{index + 1}").digest for index in entries],
    )
    at = {artifact(f"a{n}").digest: n for n in range(3000)}
    assert list(steps) == [(n, n) for n in range(3000)]


def test_text():
    text = history(*PIPELINE, of="answers").to_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "#11  raw superseded by better: mislabelled",
        "#9  quality of clean: FAILED",
        f"#8  outputs answers {artifact('answers').digest_hex[:12]}",
        "#7  step train succeeded",
        f"#6  dataset model {artifact('model').digest_hex[:12]}",
        "#4  step dedupe succeeded",
        f"#2  dataset clean {artifact('clean').digest_hex[:12]}",
        f"#0  dataset raw {artifact('raw').digest_hex[:12]}",
    ]
    for line in (
        "      threshold = 0.9\n",
        "      accuracy = 0.8, wanted >= 0.9\n",
        f"      from raw {artifact('raw').digest_hex[:12]}  broken: superseded by #11\n",
        f"      made rest {artifact('rest').digest_hex[:12]}  attested\n",
        f"      from model {artifact('model').digest_hex[:12]}  attested\n",
        f"      signed {TIME} by abababab\n",
    ):
        assert line in text


def test_json():
    found = history(*PIPELINE, of="clean")
    value = json.loads(json.dumps(found.to_json()))
    assert value["artifact"] == artifact("clean").digest_hex
    assert value["size"] == 12
    assert value["artifacts"] == {
        artifact("raw").digest_hex: {"name": "raw", "registered": 0, "superseded": 11},
        artifact("clean").digest_hex: {"name": "clean", "registered": 2},
        artifact("rest").digest_hex: {"name": "rest", "registered": 3},
        artifact("better").digest_hex: {"name": "better", "registered": 10},
    }
    assert value["statements"][1]["arrows"] == [
        {"from": artifact("raw").digest_hex, "grade": "broken"},
        {"to": artifact("clean").digest_hex, "grade": "attested"},
        {"to": artifact("rest").digest_hex, "grade": "attested"},
    ]
    assert "arrows" not in value["statements"][0]
    assert "circles" not in value
    assert [s["index"] for s in value["statements"]] == [2, 4, 9, 0, 11]
    assert [s["depth"] for s in value["statements"]] == [0, 0, 0, 1, 1]
    assert "next_cursor" not in value
    assert replace(found, next_cursor="9.5").to_json()["next_cursor"] == "9.5"
    for entry, event in zip(value["statements"], found.events, strict=True):
        assert entry["signers"] == [SIGNER]
        assert entry["kind"] == event.statement.kind
        text = json.dumps(entry["statement"], sort_keys=True, separators=(",", ":"))
        assert Statement.parse(text.encode()) == event.statement


# --- drawings: read back by the rules of each language -------------------------------------------

NODE = re.compile(r'  (\w+)(\["|\(")((?:[\w .,/-]|#\d+;)*)("\]|"\))')
LABEL = r'(?:\|"((?:[\w .,/-]|#\d+;)*)"\|)?'
EDGE = re.compile(rf"  (\w+) (-->|==>|-\.->|--x|-\. superseded by \.->){LABEL} (\w+)")
RED = re.compile(r"  linkStyle (\d+(?:,\d+)*) stroke:red")
MERMAID = {
    "-->": "attested",
    "==>": "reproduced",
    "-.->": "declared",
    "--x": "broken",
    "-. superseded by .->": "supersedes",
}


def read_mermaid(text):
    """(label → shape, (from label, to label, grade)): nothing else may stand there."""
    first, *lines = text.splitlines()
    assert first == "flowchart LR"
    nodes, labels, edges, red = {}, {}, [], []
    for line in lines:
        if node := NODE.fullmatch(line):
            label = html.unescape(node[3].replace("#", "&#"))
            nodes[label], labels[node[1]] = node[2], label
        elif styled := RED.fullmatch(line):
            red = list(map(int, styled[1].split(",")))
        else:
            edge = EDGE.fullmatch(line)
            assert edge, line
            label = html.unescape((edge[3] or "").replace("#", "&#"))
            edges.append((labels[edge[1]], labels[edge[4]], MERMAID[edge[2]], label))
    assert red == [at for at, edge in enumerate(edges) if edge[2] == "broken"]
    return nodes, {edge if edge[3] else edge[:3] for edge in edges}


DOT_NODE = re.compile(r'  (\w+) \[shape=(box|ellipse), label="((?:[^"\\\n]|\\["\\])*)"\];')
DOT_EDGE = re.compile(
    r'  (\w+) -> (\w+)(?: \[(?:(style=dotted, label="superseded by"|\w+=\w+)(?:, )?)?'
    r'(?:label="((?:[^"\\\n]|\\["\\])*)")?\])?;'
)
DOT = {
    None: "attested",
    "style=bold": "reproduced",
    "style=dashed": "declared",
    "color=red": "broken",
    'style=dotted, label="superseded by"': "supersedes",
}


def read_dot(text):
    """As `read_mermaid`, from DOT."""
    first, second, *lines, last = text.splitlines()
    assert (first, second, last) == ("digraph history {", "  rankdir=LR;", "}")
    nodes, labels, edges = {}, {}, set()
    for line in lines:
        if node := DOT_NODE.fullmatch(line):
            label = html.unescape(re.sub(r"\\(.)", r"\1", node[3]))
            nodes[label], labels[node[1]] = {"box": '["', "ellipse": '("'}[node[2]], label
        else:
            edge = DOT_EDGE.fullmatch(line)
            assert edge, line
            label = html.unescape(re.sub(r"\\(.)", r"\1", edge[4] or ""))
            told = labels[edge[1]], labels[edge[2]], DOT[edge[3]], label
            edges.add(told if label else told[:3])
    return nodes, edges


def shown(name):
    return f"{printed(name)} {artifact(name).digest_hex[:8]}"


@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_drawings(form):
    found = history(*PIPELINE, of="answers")
    dedupe = next(event for event in found.events if event.index == 4)
    again = replace(dedupe, reproduced={artifact("rest").digest: 9})
    events = tuple(again if event is dedupe else event for event in found.events)
    ends = {**found.ends, artifact("model").digest: End(), artifact("clean").digest: End(0)}
    ends[artifact("rest").digest] = End(3, conflict=True)
    found = replace(found, events=events, ends=ends)
    read = read_mermaid(found.to_mermaid()) if form == "mermaid" else read_dot(found.to_dot())
    raw, clean, rest, model, answers, better = map(
        shown, ("raw", "clean", "rest", "model", "answers", "better")
    )
    rest += " (conflict)"
    boxes = dict.fromkeys((raw, clean, rest, model, answers, better), '["')
    assert read[0] == {**boxes, "dedupe": '("', "train": '("'}
    assert read[1] == {
        (raw, "dedupe", "broken"),
        ("dedupe", clean, "attested"),
        ("dedupe", rest, "reproduced"),
        (clean, "train", "attested"),
        ("train", model, "declared"),
        (model, answers, "declared"),
        (raw, better, "supersedes"),
    }
    text = found.to_text()
    rest, model = artifact("rest").digest_hex[:12], artifact("model").digest_hex[:12]
    assert f"made rest {rest}  reproduced by #9; others say it was made otherwise\n" in text
    assert f"made model {model}  declared: not registered here\n" in text
    revoked = replace(found, events=(replace(again, revoked=(SIGNER,)),))
    assert f"made rest {rest}  broken: signature revoked" in revoked.to_text()
    assert f"signed {TIME} by abababab (revoked)\n" in revoked.to_text()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_a_name(name):
    found = history(step(name, [name], ["out"], parameters={name: name}), of="out")
    run = printed(name)
    nodes = {shown(name): '["', shown("out"): '["', run: '("'}
    edges = {(shown(name), run, "declared"), (run, shown("out"), "declared")}
    assert read_mermaid(found.to_mermaid()) == (nodes, edges)
    assert read_dot(found.to_dot()) == (nodes, edges)
    assert f"step {run} succeeded" in found.to_text()
    assert {"name": name} in found.to_json()["artifacts"].values()


@pytest.mark.parametrize("name", ["raw", *HOSTILE])
def test_what_a_step_claims_of_records(name):
    def claim(kind, sources, targets):
        digests = [tuple(artifact(each).digest for each in side) for side in (sources, targets)]
        return Derivation(claim=kind, ordered=False, sources=digests[0], targets=digests[1])

    many = [name, "b", "c", "d", "e"]
    first = printed(name)
    claims = (
        claim("subset", [name], ["out"]),
        claim("split", ["out"], ["x", "y"]),
        claim("concatenation", many, ["y"]),
    )
    found = history(step("cut", many, ["out", "x", "y"], derivations=claims), of="out")
    said = {
        "out": f"subset of {first}, claimed",
        "x": "part of a split of out, claimed",
        "y": f"part of a split of out, concatenation of {first} and b and c and 2 more, claimed",
    }
    edges = {("cut", shown(out), "declared", label) for out, label in said.items()}
    edges |= {(shown(each), "cut", "declared") for each in many}
    assert read_mermaid(found.to_mermaid())[1] == edges
    assert read_dot(found.to_dot())[1] == edges
    text = found.to_text()
    for out, label in said.items():
        digest = artifact(out).digest_hex[:12]
        assert f"made {out} {digest}  declared: not registered here; {label}\n" in text
    arrows = found.to_json()["statements"][0]["arrows"]
    told = {each["to"]: each["claims"] for each in arrows if "to" in each}
    assert told[artifact("out").digest_hex] == [
        {"claim": "subset", "ordered": False, "of": [artifact(name).digest_hex]}
    ]
    claimed = [each["claim"] for each in told[artifact("y").digest_hex]]
    assert claimed == ["split", "concatenation"]
    assert all("claims" not in each for each in arrows if "from" in each)


def test_controls_act_on_no_terminal():
    """Names refuse them; free text such as an error, a reason or a parameter may hold them."""
    evil = "\x1b[2J\r\n\x07\u202e\u2028\x9b"
    found = history(
        step("s", ["in"], ["out"], error=evil, parameters={evil: evil}),
        supersede("out", "new"),
        of="out",
    )
    event = found.events[1]
    said = replace(event.statement.predicate, reason=evil)
    changed = Event(1, replace(event.statement, predicate=said), (SIGNER,))
    found = History(found.artifact, (found.events[0], changed))
    for text in (found.to_text(), found.to_mermaid(), found.to_dot()):
        assert all(char.isprintable() or char == "\n" for char in text), ascii(text)
    assert "\\u001b[2J" in found.to_text()
    assert found.to_text().count("\n") == len(found.to_text().splitlines()) == 8
    json.dumps(found.to_json()).encode("ascii")


# --- the surest way ------------------------------------------------------------------------------

EDGES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from(Grade)), max_size=25
)


@given(EDGES, st.sets(st.integers(0, 6), min_size=1, max_size=2))
def test_the_surest_way_is_the_best_of_all(edges, begin):
    """By trying each grade: is there a way on which no arrow is less sure?"""
    arrows = {}
    for source, end, grade in edges:
        arrows.setdefault(source, []).append((end, grade))
    expected = {}
    for least in Grade:
        reached = set(begin)
        for _ in range(7):
            reached |= {end for source, end, grade in edges if source in reached and grade >= least}
        expected |= dict.fromkeys(reached, least)
    assert surest(begin, arrows) == expected
