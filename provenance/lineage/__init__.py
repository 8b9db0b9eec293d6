"""Processing history: the graph that the statements of a log draw.

- `graph`: from an artifact back to its sources, and on to what was made of it
- `drawing`: the same as text, JSON, Mermaid and DOT
"""

from provenance.lineage.graph import Event, History, walk

__all__ = ["Event", "History", "walk"]
