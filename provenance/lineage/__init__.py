"""Processing history: the graph that the statements of a log draw.

- `graph`: from an artifact back to its sources
- `drawing`: the same as text, JSON, Mermaid and DOT
"""

from provenance.lineage.graph import Event, History, trace

__all__ = ["Event", "History", "trace"]
