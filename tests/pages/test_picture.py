"""Pictures of histories in real ledgers: all that is said is there, and no name breaks out."""

import random
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import Story, digest, drawn, link, markup

from api.pages.picture import sketch as sketches
from api.pages.picture.folding import FEW, MOST, WINDOW, folded
from api.pages.picture.lettering import cut, fit
from api.pages.picture.sketch import Artifact, Fold, Run, key_of
from provenance import Ledger
from provenance.lineage.shown import shown
from provenance.signing import PrivateKey

sketch = partial(sketches.sketch, verdicts=lambda _: {})

HOSTILE = [
    "<script>document.title='taken'</script>",
    "\"'><img src=x onerror=\"document.title='taken'\">",
    "</title></svg><iframe srcdoc=x>",
    "{{ 7 * 7 }}{% raw %}&amp;&#34;",
    "]]><!-- --><style>*{display:none}</style>",
    "\u200f\u061cשלום العربية\u200e",
    "e" + "\u0301\u0302\u0303" * 60,
    "名前" * 100,
    "W" * 200,
    "common-crawl-2026-05-" + "deduplicated-" * 12 + "shard-00017-of-01000",
    "👩🏽‍🚀" * 40,
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger.init(tmp_path_factory.mktemp("told"), origin="acme.example/ml") as ledger:
        yield ledger


@pytest.fixture(scope="module")
def story(ledger):
    """Told once: a diamond, a circle, a conflict, a stolen key, what was run twice, a failure."""
    story = Story(ledger)
    story.register("raw", "left", "right", "clean", "fixed", "imagined")
    story.register("net", kind="model")
    story.step("split", ["raw", "stopwords"], ["left", "right"])
    story.step("join", ["left", "right"], ["clean"]).step("join", ["fixed"], ["clean"])
    story.step("join", ["left"], ["clean"], error="MemoryError: too much")
    story.step("train", ["clean"], ["net"]).outputs("answers", "net")
    story.step("imagine", ["answers"], ["imagined", "dreamt"]).step(
        "merge", ["imagined"], ["right"]
    )
    story.register("echo", kind="model").outputs("echo", "echo").supersede("raw", "fixed")
    bob, thief = PrivateKey.generate(), PrivateKey.generate()
    ledger.add_key(bob.public, name="bob")
    story.step("train", ["clean"], ["net"]).tell(bob)
    ledger.add_key(thief.public, name="thief")
    story.step("tamper", ["clean"], ["poison"]).register("poison", kind="model").tell(thief)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    ledger.revoke_key("thief", reason="stolen", compromised_since=long_ago)
    for name, verdict in (("fixed", "approve"), ("left", "reject"), ("left", "flag")):
        ledger.review(digest(name).hex(), verdict, reason="looked at")
    for at, name in enumerate(HOSTILE):
        story.register(name).step(name, [name, "hostile"], [HOSTILE[at - 1], f"{name[:99]}."])
    return story.tell()


@pytest.fixture(scope="module")
def pages(ledger, story):
    @cache
    def pages(name, **more):
        ref = digest(name).hex()
        return ledger.history(ref, **more), ledger.descendants(ref, **more)

    return pages


def told_arrows(*histories):
    """(begin, end) → grades, from the histories' own JSON."""
    arrows = {}
    for history in histories:
        for event in history.to_json()["statements"]:
            ends = event.get("arrows", [])
            step = f"s{event['index']}" if event["kind"] == "step" else None
            sources = [(f"a{each['from']}", each["grade"]) for each in ends if "from" in each]
            made = [(f"a{each['to']}", each["grade"]) for each in ends if "to" in each]
            if step:
                pairs = [((one, step), grade) for one, grade in sources]
                pairs += [((step, one), grade) for one, grade in made]
            else:
                order = ["broken", "declared", "attested", "reproduced"]
                pairs = [
                    ((one, other), min(grade, least, key=order.index))
                    for one, grade in sources
                    for other, least in made
                ]
            if event["kind"] == "supersede":
                old, new = event["statement"]["subject"][0], event["statement"]["predicate"]
                algorithm = "provenance-artifact-v1"
                ends = old["digest"][algorithm], new["replacement"]["digest"][algorithm]
                pairs = [(tuple(f"a{each}" for each in ends), "superseded")]
            for pair, grade in pairs:
                arrows.setdefault(pair, set()).add(grade)
    return arrows


@pytest.mark.parametrize("name", ["raw", "clean", "net", "answers", "right", "echo", "fixed"])
def test_every_arrow_of_the_pages_is_drawn_with_its_grade(ledger, pages, name):
    found = sketch(*pages(name))
    assert folded(found, key_of(digest(name))) is found
    expected = told_arrows(*pages(name))
    drawn_ = {}
    for arrow in found.arrows:
        grade = "superseded" if arrow.grade is None else str(arrow.grade)
        drawn_.setdefault((arrow.begin, arrow.end), set()).add(grade)
    assert drawn_ == expected
    picture = drawn(ledger, *pages(name))
    assert sum(len(wire.paths) for wire in picture.wires) == len(found.arrows)
    assert len(picture.words) == len(found.arrows)
    assert {style for style, _ in picture.legend} == {
        grade for grades in expected.values() for grade in grades
    }


def test_what_the_story_says_is_marked(ledger, pages):
    nodes = {
        (node.name, node.kind) if isinstance(node, Artifact) else (node.name, node.failed): node
        for node in sketch(*pages("clean")).nodes.values()
        if not isinstance(node, Fold)
    }
    assert nodes["clean", "dataset"].end.conflict
    assert nodes["clean", "dataset"].circle
    assert not nodes["raw", "dataset"].circle
    assert nodes["raw", "dataset"].end.superseded
    assert not nodes["stopwords", None].is_registered
    assert nodes["poison", None].end.revoked
    assert nodes["tamper", False].revoked
    assert nodes["join", True].is_troubled
    assert nodes["merge", False].circle
    assert not nodes["split", False].is_troubled
    titles = [box.title for box in drawn(ledger, *pages("clean")).boxes]
    assert f"poison {digest('poison').hex()[:12]}, model, revoked" in titles  # told on neither page
    text = markup(drawn(ledger, *pages("clean")))
    for word in ("conflict", "superseded by #", "made of itself", "revoked", "unregistered"):
        assert f">{word}" in text
    assert f"left {digest('left').hex()[:12]}, dataset, flagged" in titles
    assert f"fixed {digest('fixed').hex()[:12]}, dataset, approved" in titles
    node = 'class="picture-node picture-artifact([^"]*)"[^>]*><title>(left|fixed) '
    assert {name: style for style, name in re.findall(node, text)} == {
        "left": " picture-troubled",
        "fixed": "",
    }
    assert "· failed<" in text
    assert text.count("↺") == 2  # the other one is in the legend
    assert markup(drawn(ledger, *pages("echo"))).count("↺") == 2
    assert "train #" in next(
        word for word in drawn(ledger, *pages("clean")).words if ": reproduced" in word
    )


def elements(picture):
    """The elements of the markup, by a parser that forgives nothing: (tag, attributes, text)."""
    return [(each.tag, each.attrib, each.text) for each in ET.fromstring(markup(picture)).iter()]


@pytest.mark.parametrize("name", ["clean", *HOSTILE])
def test_each_artifact_is_a_link_with_its_whole_name(ledger, pages, name):
    found = sketch(*pages(name))
    links = {
        each.attrib["href"]: each.findtext("title")
        for each in ET.fromstring(markup(drawn(ledger, *pages(name)))).iter("a")
    }
    for node in found.nodes.values():
        if isinstance(node, Artifact) and node.is_registered:
            assert links[link(node.digest)].startswith(f"{cut(shown(node.name), 256)} ")
        elif isinstance(node, Artifact):  # it has no page
            assert link(node.digest) not in links
        elif isinstance(node, Run):
            assert links[f"/entries/{node.entry}"].startswith("step ")


@pytest.mark.parametrize("name", ["clean", *HOSTILE])
def test_nothing_in_the_markup_needs_more_than_a_style_sheet(ledger, pages, name):
    found = elements(drawn(ledger, *pages(name)))
    for tag, attributes, _ in found:
        assert tag not in ("script", "style", "img", "iframe")
        assert not [key for key in attributes if key == "style" or key.startswith("on")]
    ids = [attributes["id"] for _, attributes, _ in found if "id" in attributes]
    assert len(ids) == len(set(ids))


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(ledger, pages, random):
    for name in ("clean", HOSTILE[0]):
        shuffled = []
        for page in pages(name):
            events, ends = list(page.events), list(page.ends.items())
            random.shuffle(events)
            random.shuffle(ends)
            shuffled.append(replace(page, events=tuple(events), ends=dict(ends)))
        assert markup(drawn(ledger, *shuffled)) == markup(drawn(ledger, *pages(name)))


def test_the_kinds_of_entries_are_those_of_their_statements(ledger, story):
    entries = ledger.entries(limit=1000)
    kinds = ledger.kinds([entry.index for entry in entries])
    assert kinds == {entry.index: entry.kind for entry in entries if entry.entry.artifacts}
    assert ledger.kinds([]) == ledger.kinds([10**9]) == {}


def test_what_a_step_claims_of_records_stands_at_its_arrow(ledger):
    rows = [{"id": number} for number in range(9)]
    every = ledger.register(rows, name="every")
    with ledger.step("sample", inputs=[every]) as step:
        some = step.output(rows[:4], name="some")
        step.derive()
    picture = drawn(ledger, ledger.history(some.digest))
    assert [label.text for label in picture.labels] == ["subset"]
    assert picture.words[1].endswith(": attested; subset of every, claimed")
    assert ">subset</text>" in markup(picture)


def test_an_artifact_alone_says_so(ledger, story):
    story.register("alone").tell()
    history = ledger.history(digest("alone").hex())
    text = markup(drawn(ledger, history))
    assert "No statement here says" in text
    assert "<details" not in text


# --- where a page, or the depth, ended --------------------------------------------------------


def handles(picture):
    return {(handle.title, handle.href) for handle in picture.handles}


def test_at_the_depth_asked_for_it_leads_on_from_each_artifact(ledger, pages):
    assert not handles(drawn(ledger, *pages("answers")))
    found = drawn(ledger, *pages("answers", depth=0), depth=0)
    # what it was made from, and what was made of it
    assert {href for _, href in handles(found)} == {link(digest("net")), link(digest("imagined"))}
    assert all("known here" not in title for title, _ in handles(found))


def test_a_page_that_ends_at_the_artifact_itself_leads_to_the_next(ledger, pages):
    history = ledger.history(digest("net").hex(), limit=2)
    assert history.next_cursor
    address = f"{link(digest('net'))}?history={history.next_cursor}"
    assert address in {href for _, href in handles(drawn(ledger, history))}
    onward = ledger.descendants(digest("clean").hex(), limit=1)
    address = f"{link(digest('clean'))}?descendants={onward.next_cursor}"
    assert address in {href for _, href in handles(drawn(ledger, history, onward))} | {
        href for _, href in handles(drawn(ledger, ledger.history(digest("clean").hex()), onward))
    }


# --- many -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fan(ledger):
    """500 shards of one corpus, one of them superseded, thirty of them trained on."""
    story, shards = Story(ledger), [f"shard-{number:03}" for number in range(500)]
    story.register("corpus", *shards).step("cut", ["corpus"], shards)
    for shard in shards[:30]:
        story.register(f"{shard}-net", kind="model").step("train", [shard], [f"{shard}-net"])
    story.supersede("shard-400").tell()
    ref = digest("corpus").hex()
    return ledger.history(ref), ledger.descendants(ref)


@pytest.fixture(scope="module")
def chain(ledger):
    """Sixty steps in a row."""
    story = Story(ledger).register("link-0")
    for number in range(60):
        story.step("refine", [f"link-{number}"], [f"link-{number + 1}"])
    story.register("link-60").tell()
    return ledger.history(digest("link-60").hex()), ledger.descendants(digest("link-60").hex())


@pytest.fixture(scope="module")
def wide(ledger):
    """A history of 10,000 artifacts and steps, each made of some that came not long before."""
    story, dice = Story(ledger), random.Random(7)
    names = [f"wide-{number}" for number in range(9500)]
    for at in range(0, 9500, 19):
        inputs = {names[dice.randrange(max(0, at - 200), at)] for _ in range(3)} if at else set()
        story.step("make", sorted(inputs), names[at : at + 19])
    story.register(names[5000]).tell()
    return ledger.history(digest(names[5000]).hex()), ledger.descendants(digest(names[5000]).hex())


def check_folded(pages):
    """What holds of every picture that is folded: nothing twice, and nothing forgotten."""
    whole, middle = sketch(*pages), key_of(pages[0].artifact)
    found = folded(whole, middle)
    assert middle in found.nodes
    assert len(found.nodes) <= MOST + 2 * (FEW + 2)
    shown = {key for key, node in found.nodes.items() if not isinstance(node, Fold)}
    assert shown <= set(whole.nodes)
    assert found.hidden == len(whole.nodes) - len(shown)
    for arrow in found.arrows:
        assert {arrow.begin, arrow.end} <= set(found.nodes)
    kept = {(arrow.begin, arrow.end) for arrow in found.arrows}
    for arrow in whole.arrows:
        if {arrow.begin, arrow.end} <= shown:
            assert (arrow.begin, arrow.end) in kept
    for key in shown:  # a step is whole: what is not shown of it is in a fold
        if isinstance(whole.nodes[key], Run):
            for one, other in ((0, 1), (1, 0)):
                ends = {
                    (arrow.begin, arrow.end)[one]
                    for arrow in whole.arrows
                    if (arrow.begin, arrow.end)[other] == key
                }
                near = {pair[one] for pair in kept if pair[other] == key}
                folds = [found.nodes[each] for each in near - shown]
                assert len(ends - shown) <= sum(fold.count for fold in folds)
                assert bool(ends - shown) == bool(folds)
    return found


def test_many_siblings_become_one_node_and_open_in_windows(ledger, fan):
    found = check_folded(fan)
    (fold,) = (node for node in found.nodes.values() if isinstance(node, Fold))
    assert fold.count == 500 - FEW
    assert "shard-400" in {getattr(node, "name", "") for node in found.nodes.values()}
    seen, opens = set(), fold.opens
    while opens:
        picture = drawn(ledger, *fan, opened=opens)
        window = folded(sketch(*fan), key_of(digest("corpus")), opens)
        shown = {
            node.name
            for node in window.nodes.values()
            if isinstance(node, Artifact) and re.fullmatch("shard-[0-9]{3}", node.name)
        }
        assert not shown & seen
        assert len(shown) in (WINDOW, (500 - 1) % WINDOW + 1)
        seen |= shown
        folds = [node for node in window.nodes.values() if isinstance(node, Fold)]
        assert len(shown) + sum(fold.count for fold in folds) == 500
        assert picture.close == link(digest("corpus"))
        later = [fold.opens for fold in folds if not fold.earlier]
        opens = later[0] if later else None
    assert len(seen) == 500
    assert markup(drawn(ledger, *fan, opened="nonsense.7")) != markup(
        drawn(ledger, *fan)
    )  # it can be closed
    for nonsense in ("nonsense.7", "", ".", f"{fold.opens}9999999999", "s1.from.runs.x"):
        assert len(drawn(ledger, *fan, opened=nonsense).boxes) >= len(found.nodes)


def test_a_long_chain_ends_where_it_would_no_longer_be_read(ledger, chain):
    found = check_folded(chain)
    assert len(found.nodes) == MOST + 1
    picture = drawn(ledger, *chain)
    (handle,) = picture.handles
    assert handle.text == f"+{121 - MOST - 1}"
    assert picture.at_end
    # It is not registered, so there is no page of it: the same picture goes on from there.
    beyond = key_of(digest("link-40"))
    assert handle.href == f"{link(digest('link-60'))}?opened={beyond}"
    onward = drawn(ledger, *chain, opened=beyond)
    assert onward.close == link(digest("link-60"))
    (middle,) = (box for box in onward.boxes if "middle" in box.style)
    assert middle.title.startswith("link-40 ")
    names = {box.title.partition(" ")[0] for box in onward.boxes}
    assert {"link-31", "link-39", "link-41", "link-49"} <= names
    assert len({box.y + box.height // 2 for box in picture.boxes}) == 1


def test_ten_thousand_nodes_are_a_picture_of_bounded_size(ledger, wide):
    assert len(sketch(*wide).nodes) > 5000
    check_folded(wide)
    assert len(markup(drawn(ledger, *wide)).encode()) < 60_000


def test_the_longest_names_leave_it_bounded(ledger, story):
    many = Story(ledger)
    names = [f"{number:03}{'🙂' * 997}" for number in range(60)]
    for at in range(0, 60, 6):
        many.step(names[at], names[at : at + 4], names[at + 4 : at + 8])
    many.register(names[30]).tell()
    ref = digest(names[30]).hex()
    text = markup(drawn(ledger, ledger.history(ref), ledger.descendants(ref)))
    assert len(text.encode()) < 120_000


# --- text -------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.integers(20, 300))
def test_what_fits_is_kept_and_what_does_not_is_cut_in_the_middle(text, width):
    shown = fit(text, width)
    if shown != text:
        begin, _, end = shown.partition("…") if "…" not in text else (shown[:1], "", shown[-1:])
        assert text.startswith(begin)
        assert text.endswith(end)
    assert fit(text, 10_000) == text


@given(st.text(alphabet="ab\u0301", max_size=60), st.integers(2, 50))
def test_cut_keeps_both_ends_and_no_more_than_asked(text, most):
    shown = cut(text, most)
    assert len(shown) <= most
    if len(text) > most:
        begin, end = shown.split("…")
        assert text.startswith(begin)
        assert text.endswith(end)
        assert not end.startswith("\u0301")
    else:
        assert shown == text
