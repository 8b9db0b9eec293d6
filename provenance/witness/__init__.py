"""Witnesses: who sees to it that a log has one history (C2SP tlog-witness).

- `request`: what a log sends; pure
- `witness`: `Witness`, which cosigns the checkpoints of logs that it watches, and never two
  histories of one
- `client`: `WitnessClient`, which asks one

A ledger of ours and a log of anybody else are the same to a `Witness`; a witness of ours and any
other are the same to a `WitnessClient`.
"""

from provenance.witness.client import Cosignature, WitnessClient
from provenance.witness.request import AddCheckpoint
from provenance.witness.witness import RefusedError, WatchedLog, Witness

__all__ = [
    "AddCheckpoint",
    "Cosignature",
    "RefusedError",
    "WatchedLog",
    "Witness",
    "WitnessClient",
]
