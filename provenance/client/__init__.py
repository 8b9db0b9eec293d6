"""A ledger behind a URL, with the face that `Ledger` has.

::

    with provenance.connect("https://ledger.example") as ledger:
        proof = ledger.prove("train", record={"id": 7, "text": "seven"})
        verified = ledger.verify(proof, record={"id": 7, "text": "seven"}, policy="policy.json")

The server is trusted less than the proofs that it returns. A record is hashed here and never
sent; what comes back must be about the artifact and the record that were asked for; and `verify`
runs every step on this machine, never on the server. What is no proof (names, states, histories,
anchors) is the server's word.

- `remote`: `connect`, and the ledger that it returns; `reading`: what that is told
- `proving`: whether a proof is about what was asked for; `deriving`: two versions, compared here
- `writing`: what is recorded: hashed, signed and kept here (`outbox`), sent, and checked to be in
  the log (`sending`)
- `answers`, `walks`: the server's answers, read strictly
- `transport`: HTTP through httpx, up to a size and a moment
"""

from provenance.client.answers import RemoteAnchor, RemoteArtifact
from provenance.client.proving import RemoteProof
from provenance.client.remote import RemoteLedger, connect

__all__ = ["RemoteAnchor", "RemoteArtifact", "RemoteLedger", "RemoteProof", "connect"]
