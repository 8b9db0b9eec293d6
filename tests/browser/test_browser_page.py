"""The page from a disk, as a person uses it: choosing, pasting, reading; and what it never does."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from chain_server import ChainServer
from world import ALICE, BOB, WITNESSES, World, signer, witness_vkey

from provenance.browser import page as page_bytes
from provenance.browser import script
from provenance.browser.assembly import SOURCES
from provenance.verification import STEPS

pytestmark = pytest.mark.untraced

ROWS = [{"n": number, "text": f"word {number}"} for number in range(9)]
HOSTILE = '<img src=x onerror=alert(1)>‘"&amp;'


@dataclass
class Scene:
    """A proof of record 7, the policy that it holds under, and the node to ask."""

    world: World
    bundle: bytes
    policy: bytes
    node: str


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    world = World()
    rows = world.register(ROWS, source=HOSTILE)
    world.anchor()
    policy = world.policy(minimum="confidential", witnesses=(witness_vkey(WITNESSES[0]),))
    bundle = world.bundle(rows, record=7, witnesses=WITNESSES[:1]).to_bytes()
    with ChainServer(world.chain) as server:
        yield Scene(world, bundle, policy.to_bytes(), server.url)
        server.shutdown()


class Verifier:
    """The page, open in a browser from a disk."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        path.write_bytes(page_bytes())
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.troubles: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.troubles.append(message.text))
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.goto(path.as_uri())
        self.own = path.as_uri()

    def choose(self, field: str, data: bytes, name: str = "file.json") -> None:
        given = {"name": name, "mimeType": "application/json", "buffer": data}
        self.page.set_input_files(f"#{field}", given)

    def verify(self) -> str:
        """Press the button, wait, and return the verdict."""
        self.page.click("#verify")
        self.page.wait_for_selector("#verify:not([disabled])")
        return str(self.page.inner_text("#verdict h2"))

    def steps(self) -> list[tuple[str, str]]:
        return [
            (row.query_selector(".mark").inner_text(), row.query_selector(".finding").inner_text())
            for row in self.page.query_selector_all("ol.steps li")
        ]


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Verifier]:
    """The page; at the end, nothing may have gone wrong, and nothing been asked for but nodes."""
    verifier = Verifier(chromium, tmp_path / "verify.html")
    yield verifier
    assert verifier.troubles == []
    assert verifier.requests[0] == verifier.own
    verifier.context.close()


def given(opened: Verifier, scene: Scene, record: str | None = None) -> None:
    opened.choose("bundle", scene.bundle)
    opened.choose("policy", scene.policy)
    opened.page.wait_for_selector("#nodes input")
    opened.page.fill("#record", json.dumps(ROWS[7]) if record is None else record)


def test_a_record_is_verified_up_to_its_chain(opened: Verifier, scene: Scene) -> None:
    given(opened, scene)
    told = opened.page.inner_text("#policy-told")
    assert sha256(scene.policy).hexdigest() in told
    assert scene.world.origin in told
    opened.page.fill("#nodes input", scene.node)
    assert opened.verify() == "Verified"
    assert opened.page.inner_text("#verdict p") == (
        "Record 7 is in the data set “rows”. "
        "Signed and logged not later than 2027-01-15 08:00:00 UTC."
    )
    assert [mark for mark, _ in opened.steps()] == ["✓"] * len(STEPS)
    assert opened.page.evaluate("document.activeElement.textContent") == "Verified"
    assert set(opened.requests) == {opened.own, scene.node}
    assert opened.page.locator(".rung.holds").count() == 6


def test_every_hash_of_the_ladder_is_there_and_can_be_copied(
    opened: Verifier, scene: Scene
) -> None:
    world = scene.world
    given(opened, scene)
    opened.verify()
    shown = set(opened.page.locator("code.hash").all_inner_texts())
    shown |= {text.strip() for text in opened.page.locator("code.hash").all_text_contents()}
    entry, envelope = world.leaves[3]
    tree = world.tree(world.size)
    bundle = json.loads(scene.bundle)
    wanted = {
        tree.root.hex(),
        entry.leaf_hash.hex(),
        entry.to_bytes().hex(),
        sha256(envelope).hexdigest(),
        entry.artifacts[0].hex(),
        *bundle["records"][0]["path"],
        *bundle["statement"]["path"],
        ALICE.public.keyid,
        *(proof["anchor"][name] for proof in bundle["anchors"] for name in ("root", "ledgerId")),
    }
    assert wanted <= shown
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.click("details:has-text('up to the root') summary")
    for copy in opened.page.locator("ol.path button.copy:visible").all():
        copy.click()
        text = copy.evaluate("(button) => button.previousSibling.textContent")
        assert opened.page.evaluate("() => navigator.clipboard.readText()") == text
        assert re.fullmatch("[0-9a-f]{64}", text)


def test_another_record_is_not_verified(opened: Verifier, scene: Scene) -> None:
    given(opened, scene, '{"n":7,"text":"word 8"}')
    assert opened.verify() == "Not verified"
    assert "“record” does not hold: the record is not number 7 of 9" in opened.page.inner_text(
        "#verdict"
    )
    assert opened.steps()[-1][0] == "✗"
    assert len(opened.steps()) == STEPS.index("record") + 1
    assert opened.page.inner_text(".rung.fails").split("\n")[-1].startswith("Does not hold")
    opened.page.fill("#record", json.dumps(ROWS[7]))  # and it can be tried again
    assert opened.verify() == "Undecided"


def test_without_a_node_or_a_policy_it_is_undecided(opened: Verifier, scene: Scene) -> None:
    given(opened, scene)
    assert opened.verify() == "Undecided"
    assert dict(zip(STEPS, opened.steps(), strict=True))["anchor"][0] == "?"
    assert "what chain main would have to show" in opened.page.inner_text("#verdict p")
    assert set(opened.requests) == {opened.own}
    opened.page.set_input_files("#policy", [])
    assert opened.page.is_hidden("#nodes")
    assert opened.verify() == "Undecided"
    assert "vouched for by nobody you named" in opened.page.inner_text("#verdict p")


def test_without_a_record_the_statement_alone_is_verified(opened: Verifier, scene: Scene) -> None:
    given(opened, scene, "")
    opened.page.fill("#nodes input", scene.node)
    assert opened.verify() == "Verified: the statement alone"
    assert "No data was compared" in opened.page.inner_text("#verdict p")


def test_what_cannot_be_used_is_said(opened: Verifier, scene: Scene) -> None:
    assert opened.verify() == "Nothing was decided"
    assert opened.page.inner_text("#verdict p") == "Choose a proof first."
    opened.choose("bundle", b"{")
    assert opened.verify() == "Not verified"
    assert "“bundle” does not hold: the bundle is not JSON" in opened.page.inner_text("#verdict p")
    opened.choose("bundle", scene.bundle)
    opened.choose("policy", b'{"type":"x"}')
    opened.page.wait_for_selector("#policy-told.wrong")
    assert opened.page.inner_text("#policy-told").startswith("It cannot be used: the policy.type")
    assert opened.verify() == "Nothing was decided"
    given(opened, scene, '{"n":7')
    assert opened.verify() == "Nothing was decided"
    assert "The record is not JSON" in opened.page.inner_text("#verdict p")
    opened.page.fill("#record", "{}")
    opened.choose("file", b"{}")
    assert opened.verify() == "Nothing was decided"
    assert "Give a record or a file" in opened.page.inner_text("#verdict p")
    opened.page.set_input_files("#file", [])
    opened.page.fill("#nodes input", "ftp://node.example/")
    assert opened.verify() == "Nothing was decided"
    assert "http:// or https://" in opened.page.inner_text("#verdict p")


def test_the_policy_that_is_told_is_the_one_that_is_chosen(opened: Verifier, scene: Scene) -> None:
    """Also where another was chosen before it was read, and read later."""
    other = World(origin="other.example/log").policy(chains=()).to_bytes()
    texts = [scene.policy.decode(), other.decode()]
    opened.page.evaluate(
        """(texts) => {
          const input = document.querySelector("#policy");
          const { arrayBuffer } = Blob.prototype;
          Blob.prototype.arrayBuffer = function () {
            if (this.name === "1") return arrayBuffer.call(this);
            return new Promise((resolve) => {
              globalThis.later = () => resolve(arrayBuffer.call(this));
            });
          };
          for (const [at, text] of texts.entries()) {
            const chosen = new DataTransfer();
            chosen.items.add(new File([text], String(at)));
            input.files = chosen.files;
            input.dispatchEvent(new Event("change"));
          }
        }""",
        texts,
    )
    opened.page.wait_for_selector("#policy-told dl")
    # What is read after it is ready after it.
    opened.page.evaluate(
        """async (text) => {
          later();
          const bytes = new TextEncoder().encode(text);
          for (let turn = 0; turn < 3; turn++) await provenance.readPolicy(bytes);
        }""",
        texts[0],
    )
    told = opened.page.inner_text("#policy-told")
    assert told.count("Fingerprint") == 1
    assert sha256(other).hexdigest() in told
    assert opened.page.is_hidden("#nodes")


def test_a_file_is_verified_as_a_whole_or_by_its_records(opened: Verifier) -> None:
    world = World()
    rows = world.register(ROWS)
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    opened.choose("policy", world.policy(chains=()).to_bytes())
    opened.choose("bundle", world.bundle(rows).to_bytes())
    opened.choose("file", lines, "rows.jsonl")
    assert opened.verify() == "Verified"
    assert "All of the data set “rows” is what was signed." in opened.page.inner_text("#verdict")
    opened.choose("file", lines + b"{}\n", "rows.jsonl")
    assert opened.verify() == "Not verified"
    opened.choose("bundle", world.bundle(rows, record=2).to_bytes())
    opened.choose("file", json.dumps(ROWS[2]).encode(), "rows.jsonl")
    assert opened.verify() == "Verified"
    assert "Record 2 is in" in opened.page.inner_text("#verdict p")
    opened.choose("file", lines, "rows.csv")
    assert opened.verify() == "Nothing was decided"
    assert "is not JSONL" in opened.page.inner_text("#verdict p")


def test_warnings_are_shown(opened: Verifier) -> None:
    world = World()
    rows = world.register(ROWS)
    world.supersede(rows, ALICE, reason=HOSTILE)
    opened.choose("policy", world.policy(chains=()).to_bytes())
    opened.choose("bundle", world.bundle(rows).to_bytes())
    opened.verify()
    assert HOSTILE.replace("\\", "") in opened.page.inner_text("#warnings li").replace("\\", "")
    assert "Mind the warnings." in opened.page.inner_text("#verdict p")


def test_a_hostile_name_is_text(opened: Verifier) -> None:
    world = World()
    rows = world.register(ROWS)
    opened.choose("policy", world.policy(chains=()).to_bytes())
    name = HOSTILE * 20
    changed = world.register(ROWS)
    changed.statement.subjects[0].__dict__["name"] = name
    world.leaves.pop()
    index = world.submit(changed.statement, ALICE)
    assert index != rows.index
    opened.choose("bundle", world.bundle(changed).to_bytes())
    assert opened.verify() == "Verified: the statement alone"
    assert name in opened.page.inner_text("#ladder")
    assert opened.page.locator("img").count() == 0
    opened.page.set_viewport_size({"width": 390, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_lie_in_what_is_dropped(opened: Verifier, scene: Scene, tmp_path: Path) -> None:
    """On a narrow screen; each lie is told by the link that breaks, and nothing is asked for."""
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 800})
    devtools = opened.context.new_cdp_session(page)

    def drop(field: str, data: bytes, name: str) -> None:
        (tmp_path / name).write_bytes(data)
        page.locator(f"#{field}").scroll_into_view_if_needed()
        box = page.locator(f"#{field}").bounding_box()
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        files = {"items": [], "files": [str(tmp_path / name)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": files})
        page.wait_for_function(
            "([field, name]) => document.querySelector(field).files[0]?.name === name",
            arg=[f"#{field}", name],
        )
        assert page.locator(f"#{field}.chosen").count() == 1

    world = scene.world
    bundle = json.loads(scene.bundle)
    row = json.dumps(ROWS[7]).encode()
    drop("bundle", scene.bundle, "proof.json")
    drop("policy", world.policy(chains=()).to_bytes(), "policy.json")
    drop("file", row, "row.jsonl")
    assert opened.verify() == "Verified"

    lies: list[tuple[str, str, bytes]] = [
        ("file", "record", row.replace(b"word", b"worse")),
        ("policy", "checkpoint", World(origin="other.example/log").policy().to_bytes()),
        ("policy", "signature", world.policy(signers=(signer(BOB),)).to_bytes()),
        ("policy", "standing", world.policy(admin_keys=(BOB.public.to_pem(),)).to_bytes()),
    ]
    statement, note = bundle["statement"], bundle["checkpoint"]
    (record,), (anchor,) = bundle["records"], bundle["anchors"]
    for step, told in (
        ("bundle", {"checkpoints": note}),
        ("checkpoint", {"checkpoint": note.replace("\n", "\n1", 1)}),
        ("entry", {"statement": {**statement, "index": statement["index"] - 1}}),
        ("record", {"records": [{**record, "path": record["path"][::-1]}]}),
        ("anchor", {"anchors": [{**anchor, "consistency": anchor["consistency"] + ["ab" * 32]}]}),
    ):
        lies.append(("bundle", step, json.dumps({**bundle, **told}).encode()))
    good = {"file": row, "policy": world.policy(chains=()).to_bytes(), "bundle": scene.bundle}
    for number, (field, step, data) in enumerate(lies):
        drop(field, data, f"lie{number}.jsonl")
        assert opened.verify() == "Not verified", step
        assert f"The link “{step}” does not hold" in page.inner_text("#verdict p")
        assert len(opened.steps()) == STEPS.index(step) + 1
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        drop(field, good[field], f"true{number}.jsonl")
    assert opened.verify() == "Verified"
    assert set(opened.requests) == {opened.own}


def test_a_file_that_misses_its_field_does_not_take_the_pages_place(opened: Verifier) -> None:
    prevented = """(selector) => {
      const drop = new DragEvent("drop", { bubbles: true, cancelable: true });
      document.querySelector(selector).dispatchEvent(drop);
      return drop.defaultPrevented;
    }"""
    assert opened.page.evaluate(prevented, "h1")
    assert not opened.page.evaluate(prevented, "#bundle")


def test_the_keyboard_is_enough(opened: Verifier, scene: Scene) -> None:
    given(opened, scene)
    seen = []
    for _ in range(8):
        opened.page.keyboard.press("Tab")
        seen.append(
            opened.page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert [each for each in seen if each in ("file", "node-0", "verify")] == [
        "file",
        "node-0",
        "verify",
    ]
    opened.page.focus("#verify")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#verdict.undecided")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    chromium: Any, axe: Path, tmp_path: Path, scene: Scene, scheme: str
) -> None:
    opened = Verifier(chromium, tmp_path / "verify.html", color_scheme=scheme, bypass_csp=True)
    opened.page.add_script_tag(path=axe)

    def violations() -> list[str]:
        found = opened.page.evaluate("() => axe.run()")
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]

    assert violations() == []
    given(opened, scene)
    opened.verify()
    opened.page.evaluate(
        "() => document.querySelectorAll('details').forEach((e) => (e.open = true))"
    )
    assert violations() == []
    opened.page.fill("#record", "{}")
    opened.verify()
    assert violations() == []
    opened.context.close()


# --- the file ---------------------------------------------------------------------------------


def test_nothing_runs_but_what_the_policy_names(chromium: Any, tmp_path: Path) -> None:
    html = page_bytes().decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    assert not re.search(r"unsafe|https?://|data:|\*", policy[1])
    assert not re.search(r'\b(src|href|action)="(?!#)', html)
    assert not re.search(r"<[^>]* (on\w+|style)=", html.partition("<script>")[0])

    path = tmp_path / "changed.html"
    path.write_text(html.replace("Nothing was decided", "Verified"), "utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("typeof provenance") == "undefined"
    page.close()


def test_the_page_is_the_same_each_time() -> None:
    assert page_bytes() == page_bytes()
    page_bytes.cache_clear()
    script.cache_clear()
    before = page_bytes()
    script.cache_clear()
    page_bytes.cache_clear()
    assert page_bytes() == before
    assert len(before) < 160_000
    assert b"</script" not in script()
    assert b"<!--" not in script()
    assert b"[[" not in before.partition(b"<script>")[0]


def test_every_source_is_in_the_script() -> None:
    folder = Path(__file__).parents[2] / "provenance" / "browser" / "verifier"
    assert {path.stem for path in folder.glob("*.js")} == set(SOURCES)
    for path in folder.glob("*.js"):
        assert path.read_text("utf-8") in script().decode()
        assert len(path.read_text("utf-8").splitlines()) < 300
