"""Following a log from outside: one history, every entry, the same on every chain.

- `source`: where a log is read; `web`: any C2SP tlog-tiles log over HTTP
- `edge`: the tree, grown from entries; `served`: the tree as the log's hash tiles tell it
- `opening`: the checkpoint; `history`: how it lies to the one before
- `reading`: every entry that is new; `anchors`: what the chains hold
- `monitor`: one round; `state`: what is kept for the next
- `evidence`: what was found, for others to check
"""

from provenance.monitoring.evidence import Evidence, Kind
from provenance.monitoring.monitor import Monitor, Round
from provenance.monitoring.source import LogSource, MissingError, SourceError
from provenance.monitoring.state import State

__all__ = [
    "Evidence",
    "Kind",
    "LogSource",
    "MissingError",
    "Monitor",
    "Round",
    "SourceError",
    "State",
]
