"""Drawings of histories as Mermaid and Graphviz themselves draw them, with hostile names."""

import pytest
from histories import HOSTILE, artifact, history, step

from provenance.derivation import Derivation
from provenance.lineage.shown import shown

DRAW = {
    "mermaid": """async (text) => {
        mermaid.initialize({startOnLoad: false});
        const room = document.createElement("div");
        room.innerHTML = (await mermaid.render("drawn", text)).svg;
        return [...room.querySelectorAll("span.nodeLabel, span.edgeLabel")]
            .map(label => label.textContent);
    }""",
    "dot": """async (text) => {
        const drawn = (await Viz.instance()).renderSVGElement(text);
        return [...drawn.querySelectorAll("text")].map(label => label.textContent);
    }""",
}


@pytest.mark.parametrize("form", DRAW)
def test_every_name_is_drawn_as_it_is(chromium, drawers, form):
    def claim(source):
        sides = {"sources": (artifact(source).digest,), "targets": (artifact("out").digest,)}
        return Derivation(claim="subset", ordered=False, **sides)

    steps = (step(name, [name], ["out"], derivations=(claim(name),)) for name in HOSTILE)
    found = history(*steps, of="out")
    page = chromium.new_page()
    page.set_content('<base href="https://drawn.invalid/">')  # Viz wants to come from somewhere
    for script in drawers:
        page.add_script_tag(path=script)
    drawn = page.evaluate(DRAW[form], getattr(found, f"to_{form}")())
    labels = [f"{shown(name)} {artifact(name).digest_hex[:8]}" for name in [*HOSTILE, "out"]]
    labels += map(shown, HOSTILE)
    labels += [f"subset of {shown(name)}, claimed" for name in HOSTILE]
    told = [" ".join(label.split()) for label in drawn if label.strip()]
    assert set(told) == {" ".join(label.split()) for label in labels}
