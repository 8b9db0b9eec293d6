"""What is answered where.

- `artifacts`: what is registered, and its history
- `proofs`: bundles, made and verified
- `log`: the log itself as C2SP tlog-tiles, its anchors, and whether the server is well
"""

from api.routes import artifacts, log, proofs

__all__ = ["artifacts", "log", "proofs"]
