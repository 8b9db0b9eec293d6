"""What a bundle claims about itself, read before anything is verified: for discovery only."""

from __future__ import annotations

from provenance.errors import InputError, MalformedError
from provenance.signing import Envelope
from provenance.statements import Key, Statement
from provenance.verification.bundle import Bundle
from provenance.verification.policy import Policy, Signer

__all__ = ["claimed_policy"]


def claimed_policy(bundle: Bundle) -> Policy:
    """Return the policy that the bundle's own key statements would make. It proves nothing.

    Raises:
        MalformedError: the bundle holds no genesis statement to read it from.
    """
    genesis: Key | None = None
    signers = {}
    for logged in bundle.standing:
        statement = Statement.parse(Envelope.parse(logged.envelope).payload)
        predicate = statement.predicate
        if isinstance(predicate, Key) and predicate.action == "genesis":
            genesis = predicate
        elif isinstance(predicate, Key) and predicate.public_key is not None:
            name = statement.subjects[0].name
            signers[predicate.subject_keyid] = Signer(name=name, public_key=predicate.public_key)
    if genesis is None:
        raise MalformedError("no policy was given, and the bundle names no log of its own")
    try:
        return Policy(
            origin=genesis.origin or "",
            log_keys=(genesis.log_key or "",),
            admin_keys=genesis.admin_keys or (),
            signers=tuple(signers.values()),
        )
    except InputError as error:
        raise MalformedError(f"the bundle names a key that cannot be used: {error}") from error
