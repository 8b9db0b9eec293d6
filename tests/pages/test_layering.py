"""Layered drawings: what every one must be, of any small graph, and how good known ones are."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from api.pages.picture.crossing import crossings
from api.pages.picture.layering import Line, Size, draw

HEIGHTS = st.sampled_from([36, 44, 52, 67])


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 9))
    names = [f"n{number}" for number in range(count)]
    sizes = {
        name: Size(draw(st.integers(40, 180)), draw(HEIGHTS), draw(st.booleans())) for name in names
    }
    ends = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda e: e[0] != e[1])
    pairs = draw(st.lists(ends, max_size=16, unique=True)) if count > 1 else []
    return sizes, [Line(*pair, soft=draw(st.integers(0, 3)) == 0) for pair in pairs]


def boxes(sizes, drawing):
    """Name → left, right, top, bottom."""
    return {
        name: (
            x - size.width // 2,
            x - size.width // 2 + size.width,
            y - size.height // 2,
            y - size.height // 2 + size.height,
        )
        for name, size in sizes.items()
        for x, y in [drawing.centres[name]]
    }


def leads(lines):
    """The transitive closure of the lines that are not soft, pair by pair."""
    pairs = {(line.begin, line.end) for line in lines if not line.soft}
    while True:
        more = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not more:
            return pairs
        pairs |= more


@given(graphs())
def test_no_two_boxes_overlap_and_all_are_on_the_sheet(graph):
    sizes, lines = graph
    drawing = draw(sizes, lines)
    found = boxes(sizes, drawing)
    for (l1, r1, t1, b1), (l2, r2, t2, b2) in combinations(found.values(), 2):
        assert r1 < l2 or r2 < l1 or b1 < t2 or b2 < t1
    for left, right, top, bottom in found.values():
        assert left >= 0
        assert top >= 0
        assert right <= drawing.width + 1
        assert bottom <= drawing.height + 1


@given(graphs())
def test_lines_lead_to_later_layers_but_those_that_close_a_circle(graph):
    sizes, lines = graph
    drawing = draw(sizes, lines)
    reached = leads(lines)
    for at, line in enumerate(lines):
        onward = drawing.layers[line.begin] < drawing.layers[line.end]
        assert onward == (at not in drawing.against)
        if not onward and not line.soft:
            assert (line.end, line.begin) in reached
    assert all(drawing.layers[name] % 2 == size.odd for name, size in sizes.items())


@given(graphs())
def test_lines_join_the_sides_of_their_boxes(graph):
    sizes, lines = graph
    drawing = draw(sizes, lines)
    found = boxes(sizes, drawing)
    for line, route in zip(lines, drawing.routes, strict=True):
        begin, end = found[line.begin], found[line.end]
        sides = (1, 0) if drawing.layers[line.begin] < drawing.layers[line.end] else (0, 1)
        assert abs(route[0][0] - begin[sides[0]]) <= 1
        assert abs(route[-1][0] - end[sides[1]]) <= 1
        assert begin[2] < route[0][1] < begin[3]
        assert end[2] < route[-1][1] < end[3]
        ways = [right[0] - left[0] for left, right in pairwise(route)]
        assert all(way >= 0 for way in ways) or all(way <= 0 for way in ways)


@given(graphs())
def test_long_lines_pass_between_the_boxes(graph):
    sizes, lines = graph
    drawing = draw(sizes, lines)
    found = boxes(sizes, drawing)
    for line, route in zip(lines, drawing.routes, strict=True):
        for (x1, y), (x2, _) in zip(route[2:-2:2], route[3:-2:2], strict=True):
            for name, (left, right, top, bottom) in found.items():
                across = max(left, min(x1, x2)) < min(right, max(x1, x2))
                assert not (across and top < y < bottom), (line, name)


def rows_of(sizes, lines, drawing):
    """The rows as drawn, with bends, and what is joined with what in the next one."""
    places, after = {}, {}
    for at, line in enumerate(lines):
        first, last = sorted((line.begin, line.end), key=drawing.layers.__getitem__)
        route = drawing.routes[at]
        route = route[::-1] if at in drawing.against else route
        chain = [
            first,
            *((at, n) for n in range(drawing.layers[first] + 1, drawing.layers[last])),
            last,
        ]
        for left, right in pairwise(chain):
            after.setdefault(left, []).append(right)
        places.update(
            {bend: (bend[1], route[2 * number][1]) for number, bend in enumerate(chain[1:-1], 1)}
        )
    places.update({name: (drawing.layers[name], drawing.centres[name][1]) for name in sizes})
    rows = [[] for _ in range(1 + max(layer for layer, _ in places.values()))]
    for node in sorted(places, key=lambda node: places[node][1]):
        rows[places[node][0]].append(node)
    return rows, {node: after.get(node, []) for node in places}


def crossings_by_pairs(rows, after):
    """The definition, of every two lines between every two rows."""
    count = 0
    for left, right in pairwise(rows):
        ends = [(left.index(one), right.index(other)) for one in left for other in after[one]]
        count += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(ends, 2))
    return count


@given(graphs())
def test_there_are_not_more_crossings_than_in_the_order_as_given(graph):
    sizes, lines = graph
    drawing = draw(sizes, lines)
    rows, after = rows_of(sizes, lines, drawing)
    assert crossings(rows, after) == crossings_by_pairs(rows, after)
    order = [*sizes, *(node for row in rows for node in row if not isinstance(node, str))]
    given_ = [[node for node in order if node in set(row)] for row in rows]
    assert crossings(rows, after) <= crossings_by_pairs(given_, after)


@given(st.lists(st.integers(0, 10**6), max_size=14), st.booleans(), st.randoms())
def test_a_tree_is_drawn_without_crossing(choices, onward, random):
    edges = [(f"n{choice % (at + 1)}", f"n{at + 1}") for at, choice in enumerate(choices)]
    lines = [Line(*(edge if onward else edge[::-1])) for edge in edges]
    names = [f"n{number}" for number in range(len(choices) + 1)]
    random.shuffle(names)
    depth = {"n0": 0}
    for parent, child in edges:
        depth[child] = depth[parent] + 1
    sizes = {name: Size(80, 40, depth[name] % 2 == 1) for name in names}
    drawing = draw(sizes, lines)
    assert crossings(*rows_of(sizes, lines, drawing)) == 0


def test_a_chain_is_level_and_so_is_a_line_past_it():
    names = [f"n{number}" for number in range(9)]
    sizes = {name: Size(80, 40, at % 2 == 1) for at, name in enumerate(names)}
    lines = [Line(*pair) for pair in pairwise(names)]
    drawing = draw(sizes, lines)
    assert len({y for _, y in drawing.centres.values()}) == 1
    assert all(len({y for _, y in route}) == 1 for route in drawing.routes)
    drawing = draw(sizes, [*lines, Line("n0", "n7")])
    assert len({y for _, y in drawing.routes[-1][2:-2]}) == 1


def test_what_is_joined_with_two_stands_between_them():
    sizes = {"a": Size(80, 40), "s": Size(80, 40, odd=True), "b": Size(80, 40)}
    drawing = draw(sizes, [Line("a", "s"), Line("b", "s")])
    a, s, b = (drawing.centres[name][1] for name in "asb")
    assert abs(a - b) == 60
    assert 2 * s == a + b


def test_a_source_stands_next_to_what_it_goes_into():
    names = [f"n{number}" for number in range(7)]
    sizes = {name: Size(80, 40, at % 2 == 1) for at, name in enumerate(names)}
    sizes["late"] = Size(80, 40)
    drawing = draw(sizes, [*(Line(*pair) for pair in pairwise(names)), Line("late", "n5")])
    assert drawing.layers["late"] == 4
