"""Pictures in a real browser, under the policy of the pages: nothing runs, all can be read."""

import pytest
from stories import Story, digest, drawn, link, markup

from api.pages.picture.lettering import cut
from api.pages.rendering import POLICY
from api.pages.static import FILES
from provenance import Ledger
from provenance.lineage.shown import shown

URL = "http://pictures.test"
HOSTILE = [
    "<script>document.title='taken'</script>",
    "\"'><img src=x onerror=\"document.title='taken'\">",
    "</title></text></svg><iframe srcdoc=x>",
    "]]><!-- --><style>*{display:none}</style>",
    "\u200f\u061cשלום العربية\u200e",
    "e" + "\u0301\u0302\u0303" * 60,
    "名前" * 100,
    "W" * 200,
    "M" * 999,
    "common-crawl-2026-05-" + "deduplicated-" * 12 + "shard-00017-of-01000",
    "👩🏽‍🚀" * 40,
    "i" * 200,
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with Ledger.init(tmp_path_factory.mktemp("drawn"), origin="acme.example/ml") as ledger:
        story = Story(ledger).register(*HOSTILE)
        for at, name in enumerate(HOSTILE):
            story.step(name, ["many", name], [f"made of {at}"])
        story.register("many", "clean", "raw", "fixed").step(
            "dedupe", ["raw", "stopwords"], ["clean"]
        )
        story.step("dedupe", ["fixed"], ["clean"]).step("look", ["clean"], [], error="IOError: no")
        story.register("net", kind="model").step("train", ["clean"], ["net"])
        story.step("distil", ["net"], ["clean"]).outputs("answers", "net")
        story.supersede("raw", "fixed")
        story.register("link 0")
        for at in range(60):
            story.step("refine", [f"link {at}"], [f"link {at + 1}"])
        story.register("link 30", "link 60").tell()
        yield ledger


@pytest.fixture(scope="module")
def shown_in(chromium, ledger):
    """Open the picture of an artifact as a page of its own: (page, picture, what went wrong)."""
    opened = []

    def show(name, *, width=1200, scheme="light"):
        ref = digest(name).hex()
        picture = drawn(ledger, ledger.history(ref), ledger.descendants(ref))
        body = (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><title>As it was</title>'
            '<link rel="stylesheet" href="/pages.css"><link rel="stylesheet" href="/picture.css">'
            f"<body><main><h1>History</h1>{markup(picture)}</main>"
        )
        page = chromium.new_page(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        opened.append(page)
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))

        def answer(route):
            path = route.request.url.removeprefix(URL)
            if path == "/":
                policy = {"Content-Security-Policy": POLICY.format(connect="'self'")}
                route.fulfill(body=body, content_type="text/html", headers=policy)
            elif path.endswith(".css"):
                route.fulfill(body=FILES[path[1:]], content_type="text/css")
            else:
                route.fulfill(body=f"<title>{path}</title>", content_type="text/html")

        page.route("**/*", answer)
        page.goto(f"{URL}/")
        return page, picture, wrong

    yield show
    for page in opened:
        page.close()


def test_hostile_names_are_text_and_stay_in_their_boxes(shown_in):
    page, picture, wrong = shown_in("many")
    assert page.title() == "As it was"
    assert page.locator("main script, main img, main iframe, main style").count() == 0
    found = page.evaluate(
        """() => [...document.querySelectorAll(".picture-node, .picture-handle")].map(link => ({
            title: link.querySelector("title").textContent,
            width: link.querySelector("rect").getBBox().width,
            texts: [...link.querySelectorAll("text")].map(text => [
                text.textContent, text.getBBox().x, text.getBBox().x + text.getBBox().width,
                text.classList.contains("picture-name"),
            ]),
        }))"""
    )
    assert [each["title"] for each in found] == [
        each.title for each in (*picture.boxes, *picture.handles)
    ]
    titles = "\n".join(each["title"] for each in found)
    for name in HOSTILE[:6]:  # six of them are shown, and the others folded
        assert f"{cut(shown(name), 256)} {digest(name).hex()[:12]}" in titles
        assert f"step {cut(shown(name), 256)} #" in titles
    for each in found:
        for text, left, right, _ in each["texts"]:
            assert left >= 0, text
            assert right <= each["width"], text
    assert wrong == []


@pytest.mark.parametrize("name", HOSTILE[6:], ids=lambda name: name[:8])
def test_long_names_are_cut_in_the_middle_where_the_box_ends(shown_in, name):
    page, _, wrong = shown_in(name)
    box = page.locator(".picture-middle")
    text = box.locator(".picture-name").text_content()
    begin, end = text.split("…")
    assert shown(name).startswith(begin)
    assert shown(name).endswith(end)
    room = box.locator("rect").bounding_box()
    taken = box.locator(".picture-name").bounding_box()
    assert taken["x"] >= room["x"]
    assert taken["x"] + taken["width"] <= room["x"] + room["width"]
    assert taken["width"] > room["width"] / 4
    assert wrong == []


def test_the_keyboard_goes_from_left_to_right_and_shows_where_it_is(shown_in):
    page, picture, _ = shown_in("clean", width=390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("picture-region")
    for box in (box for box in picture.boxes if box.href):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.querySelector('title').textContent") == (
            box.title
        )
        line = page.evaluate(
            "getComputedStyle(document.activeElement.querySelector('rect')).strokeWidth"
        )
        assert line == "3px"
        shown_box = page.evaluate(
            "(({left, right}) => [left, right])"
            "(document.activeElement.querySelector('rect').getBoundingClientRect())"
        )
        assert 0 <= shown_box[0] < shown_box[1] <= 390


def test_each_node_is_a_link_that_is_named(shown_in):
    page, _, _ = shown_in("clean")
    clean = f"clean {digest('clean').hex()[:12]}, dataset, conflict, made of itself"
    assert page.get_by_role("link", name=clean, exact=True).count() == 1
    assert page.get_by_role("link", name="step look", exact=False).count() == 1
    assert page.get_by_role("region", name="History of clean").count() == 1
    page.get_by_role("link", name="answers").click()
    assert page.url == f"{URL}{link(digest('answers'))}"


def test_the_arrows_are_there_in_words(shown_in):
    page, picture, _ = shown_in("clean")
    words = page.locator(".picture-words")
    assert not words.locator("li").first.is_visible()
    words.locator("summary").click()
    assert words.locator("li").all_text_contents() == list(picture.words)
    raw, fixed = (f"{name} {digest(name).hex()[:12]}" for name in ("raw", "fixed"))
    assert f"{raw} is superseded by {fixed}" in picture.words


def test_on_a_narrow_screen_it_begins_at_what_was_asked_for(shown_in):
    for name in ("clean", "link 60", "link 30"):
        page, picture, _ = shown_in(name, width=390)
        assert picture.width > 390
        room = page.locator(".picture-middle rect").bounding_box()
        assert 0 <= room["x"] < room["x"] + room["width"] <= 390
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_on_paper_all_of_it_is_there(shown_in):
    page, picture, _ = shown_in("clean", width=700)
    page.emulate_media(media="print")
    sheet = page.locator(".picture-sheet").bounding_box()
    assert picture.width > 700
    assert sheet["x"] + sheet["width"] <= 700
    assert sheet["height"] / sheet["width"] == pytest.approx(
        picture.height / picture.width, rel=0.02
    )


def test_lines_look_as_sure_as_they_are(shown_in):
    page, _, _ = shown_in("clean")
    style = {
        kind: page.evaluate(
            "kind => (({stroke, strokeDasharray}) => [stroke, strokeDasharray])"
            "(getComputedStyle(document.querySelector(`.picture-line.picture-${kind} path`)))",
            kind,
        )
        for kind in ("attested", "declared", "broken", "superseded")
    }
    assert style["broken"][0] == "rgb(166, 27, 43)"  # --bad of pages.css
    assert style["attested"][0] == style["declared"][0] != style["broken"][0]
    assert style["attested"][1] == "none"
    assert len({dashes for _, dashes in style.values()}) == 3  # a broken line is solid, and red


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("clean", 1200, "light"), ("clean", 390, "dark"), ("many", 390, "light")],
)
def test_axe_finds_nothing(shown_in, axe, name, width, scheme):
    page, _, _ = shown_in(name, width=width, scheme=scheme)
    page.locator("summary").click()
    page.evaluate(axe.read_text())
    found = page.evaluate("axe.run().then(found => found.violations)")
    assert [
        (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in found
    ] == []
