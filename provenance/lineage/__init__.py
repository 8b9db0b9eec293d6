"""Processing history: the graph that the statements of a log draw.

- `graph`: from an artifact back to its sources, and on to what was made of it
- `grades`: how sure each arrow is
- `signers`: whose signatures count no more, and which keys are one signer's
- `circles`: what is said to be made of itself
- `impact`: what descends, and by how sure a way
- `drawing`: the same as text, JSON, Mermaid and DOT
- `slsa`, `prov_model`, `run_events`: in the words of others, with the names of `naming`;
  `emitting` sends the last to a server, and `reports` are such events of others
- `croissant`, `cyclonedx`: a data set and a model in the words of others, by the `registrations`
  that count; `model_signature`: a model's files signed for others, and what others signed
"""

from provenance.lineage.grades import Arrow, End, Grade
from provenance.lineage.graph import Event, History, walk
from provenance.lineage.impact import Impact

__all__ = ["Arrow", "End", "Event", "Grade", "History", "Impact", "walk"]
