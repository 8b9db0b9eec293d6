"""The picture of a history: artifacts as boxes, steps between them, left to right, as inline SVG.

::

    drawn = picture(
        ledger.history(ref, limit=200),
        ledger.descendants(ref, limit=200),
        link=lambda artifact: rooted(request, f"/artifacts/{artifact.hex()}"),
        entry=lambda index: rooted(request, f"/log/{index}"),
        more=lambda more: …,  # an address with what `More` holds in its query
        kinds=ledger.kinds,
        opened=request.query_params.get("opened"),
    )

    {% from "picture.html" import drawn_history %}
    {{ drawn_history(drawn) }}

The page loads ``static/picture.css``, which takes its colours from the page. There is no script and
no inline style; links and a list of the arrows in words are for those who do not see.

Work and markup are those of one page of statements, however long the log: at most 40 nodes, and
those that complete the last step.

- `sketch`: what the pages say, as nodes and arrows
- `folding`: many nodes folded to few
- `layering`, `crossing`, `levelling`: where they stand
- `lettering`, `boxes`, `wiring`: text, nodes and lines
- `sheet`: all of it, for the template
"""

from api.pages.picture.boxes import More
from api.pages.picture.sheet import Picture, picture

__all__ = ["More", "Picture", "picture"]
