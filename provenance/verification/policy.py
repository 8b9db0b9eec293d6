"""A trust policy: whom a verifier trusts, and what it demands of them.

Nothing inside a bundle is trusted; everything a verdict rests on is pinned here::

    {
      "type": "urn:provenance-ledger:policy:v1",
      "origin": "acme.example/ml",
      "logKeys": ["acme.example/ml+2f0e6d1c+AfC…"],
      "adminKeys": ["-----BEGIN PUBLIC KEY-----…"],
      "signers": [{"name": "pipeline", "publicKey": "-----BEGIN PUBLIC KEY-----…"}],
      "chains": [{"name": "embedded", "chainId": 1337, "contract": "0x…", "ledgerId": "…",
                  "codeSha256": "…", "confirmations": 1, "embedded": true}],
      "minimum": "internal"
    }

Its fingerprint, SHA-256 over its RFC 8785 bytes, is what one person reads to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Literal, Self

from provenance import forms
from provenance.anchoring import ChainPin
from provenance.errors import InputError, MalformedError
from provenance.signing import COSIGNATURE, ED25519, PublicKey, VerifierKey
from provenance.statements import Kind, Sensitivity

__all__ = ["DEMANDS", "Demand", "Policy", "Signer"]

POLICY_TYPE: Final = "urn:provenance-ledger:policy:v1"
MAX_POLICY = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key whose signatures count, for the kinds of statement listed; for all if none is."""

    name: str
    public_key: str
    kinds: tuple[Kind, ...] = ()

    @cached_property
    def key(self) -> PublicKey:
        """The parsed public key."""
        return PublicKey.from_pem(self.public_key)


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a statement must show beyond being logged and signed once."""

    anchored: bool = False
    final: bool = False
    witnesses: int = 0
    signers: int = 1


DEMANDS: MappingProxyType[str, Demand] = MappingProxyType(
    {
        "public": Demand(),
        "internal": Demand(anchored=True),
        "confidential": Demand(anchored=True, final=True, witnesses=1),
        "restricted": Demand(anchored=True, final=True, witnesses=1, signers=2),
    }
)
"""What each sensitivity demands where a policy does not say otherwise."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Everything a verdict rests on.

    Attributes:
        origin: the one log that is trusted.
        log_keys: vkeys, one of which must have signed the checkpoint.
        admin_keys: PEM keys that add and revoke signers.
        signers: whose signatures count.
        threshold: how many distinct signers every statement needs.
        witnesses: cosignature vkeys; how many must have cosigned is a demand.
        chains: the contracts in which an anchor counts.
        minimum: the sensitivity below which no statement is treated.
        demands: what a sensitivity demands, where it differs from `DEMANDS`.
        standing: ``scanned`` demands that every entry of the log was looked at for revocations,
            ``listed`` is content with those that the prover lists.
    """

    type: Literal["urn:provenance-ledger:policy:v1"] = field(
        default=POLICY_TYPE, metadata={"required": True}
    )
    origin: str
    log_keys: tuple[str, ...]
    admin_keys: tuple[str, ...]
    signers: tuple[Signer, ...]
    threshold: int = 1
    witnesses: tuple[str, ...] = ()
    chains: tuple[ChainPin, ...] = ()
    minimum: Sensitivity = "public"
    demands: dict[str, Demand] = field(default_factory=dict)
    standing: Literal["listed", "scanned"] = "listed"

    def __post_init__(self) -> None:
        if self.threshold < 1:
            raise MalformedError("the policy's threshold must be at least 1")
        for sensitivity in self.demands:
            if sensitivity not in DEMANDS:
                raise MalformedError(f"the policy demands something of unknown {sensitivity!r}")
        _refuse_repeats("signer", [signer.key.keyid for signer in self.signers])
        _refuse_repeats("admin key", [key.keyid for key in self.admins])
        _refuse_repeats("chain", [f"{pin.chain_id} {pin.contract}" for pin in self.chains])
        _refuse_repeats("chain name", [pin.name for pin in self.chains])
        _refuse_repeats("witness", [key.key_id.hex() for key in self.witness_verifiers])
        _refuse_repeats("log key", [key.key_id.hex() for key in self.log_verifiers])

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a policy.

        Raises:
            MalformedError: not a policy; a misspelt field is named.
        """
        value = forms.parse(data, what="the policy", cap=MAX_POLICY)
        return forms.decode(cls, value, "the policy")

    def to_bytes(self) -> bytes:
        """Return the RFC 8785 bytes."""
        return forms.dump(self)

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over the RFC 8785 bytes."""
        return sha256(self.to_bytes()).hexdigest()

    @cached_property
    def admins(self) -> tuple[PublicKey, ...]:
        """The parsed admin keys."""
        return tuple(PublicKey.from_pem(pem) for pem in self.admin_keys)

    @cached_property
    def log_verifiers(self) -> tuple[VerifierKey, ...]:
        """The parsed log keys."""
        verifiers = tuple(VerifierKey.parse(vkey) for vkey in self.log_keys)
        for verifier in verifiers:
            if verifier.name != self.origin or verifier.type != ED25519:
                raise MalformedError(f"the log key {verifier.name!r} is not one of {self.origin!r}")
        return verifiers

    @cached_property
    def witness_verifiers(self) -> tuple[VerifierKey, ...]:
        """The parsed witness keys."""
        verifiers = tuple(VerifierKey.parse(vkey) for vkey in self.witnesses)
        for verifier in verifiers:
            if verifier.type != COSIGNATURE:
                raise MalformedError(f"the key of witness {verifier.name!r} is not for cosigning")
        return verifiers

    def level(self, sensitivity: str) -> str:
        """Return the sensitivity at which a statement is treated: never below the minimum."""
        return max(sensitivity, self.minimum, key=list(DEMANDS).index)

    def demand(self, level: str) -> Demand:
        """Return what a statement treated at `level` must show."""
        return self.demands.get(level, DEMANDS[level])

    def dates(self, pin: ChainPin) -> bool:
        """Say whether an anchor there shows how old an entry is.

        Whoever holds the machine can backdate on an embedded chain: another outweighs it.
        """
        return not pin.embedded or all(other.embedded for other in self.chains)

    def pin(self, name: str) -> ChainPin:
        """Return the pin of the chain of this name.

        Raises:
            InputError: there is none; the message lists those that there are.
        """
        pins = {pin.name: pin for pin in self.chains}
        if name not in pins:
            known = ", ".join(pins) or "none"
            raise InputError(f"the policy pins no chain {name!r}; it pins {known}")
        return pins[name]


def _refuse_repeats(what: str, values: Sequence[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise MalformedError(f"the policy names the {what} {value} twice")
