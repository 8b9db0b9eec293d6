"""The append-only log.

- `entry`, `checkpoint`, `tiles`, `proof`: its formats; pure, what a verifier needs
- `store`, `log`: its database and the log itself; imported by name, since they load SQLModel
"""

from provenance.log.checkpoint import Checkpoint
from provenance.log.entry import Entry
from provenance.log.proof import LogProof, check_proof
from provenance.log.tiles import TilePath

__all__ = ["Checkpoint", "Entry", "LogProof", "TilePath", "check_proof"]
