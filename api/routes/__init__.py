"""What is answered where.

- `artifacts`: what is registered, and its history
- `impact`: what descends from artifacts
- `proofs`: bundles, made; `verify`: and verified
- `log`: the log itself as C2SP tlog-tiles, and its anchors
- `trees`, `entries`: what others signed, taken in
- `uses`: who asked for what
- `health`: whether the server is well; `figures`: what Prometheus reads
"""

from api.routes import artifacts, log, proofs

__all__ = ["artifacts", "log", "proofs"]
