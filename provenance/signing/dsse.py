"""DSSE envelopes (Dead Simple Signing Envelope, v1.0), in one byte form only.

What is signed is not the JSON but the pre-authentication encoding of type and payload::

    DSSEv1 28 application/vnd.in-toto+json 15 {"_type":"..."}
           └ bytes of the type             └ bytes of the payload

and the envelope is RFC 8785 of::

    {"payload":"eyJfdHlwZSI6Ii4uLiJ9","payloadType":"application/vnd.in-toto+json",
     "signatures":[{"keyid":"5b1f…","sig":"3q2+7w…"}]}

Base64 is standard and padded, the signatures are sorted by keyid, and a key signs once. So an
envelope has one SHA-256 and one place in the log; nobody can enter it a second time by writing
it differently. What other tools sign comes in through `import_foreign`, once.

The tests hold this against ``securesystemslib``, in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.signing.keys import PrivateKey, PublicKey, SignatureError

__all__ = ["MAX_ENVELOPE", "PAYLOAD_TYPE", "Envelope", "Signature", "import_foreign", "pae", "sign"]

PAYLOAD_TYPE: Literal["application/vnd.in-toto+json"] = "application/vnd.in-toto+json"

MAX_ENVELOPE = 8 * 2**20
"""Bytes of the largest envelope that is read."""

MAX_SIGNATURES = 100


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature is over.

    PAE = ``DSSEv1`` SP LEN(type) SP type SP LEN(payload) SP payload, with lengths in bytes.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One signature: who, and the bytes. Nothing says yet that it is valid."""

    keyid: Annotated[str, forms.Pattern(r"[0-9a-f]{64}", "a keyid: 64 lower-case hex digits")]
    sig: bytes


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A payload and who signed it, as parsed: only `verified_by` says which signatures count."""

    payload: bytes
    payload_type: Literal["application/vnd.in-toto+json"] = PAYLOAD_TYPE
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read the one byte form: ``Envelope.parse(data).to_bytes() == data``.

        Raises:
            MalformedError: any other bytes, even such that mean the same.
        """
        value = forms.parse_canonical(data, what="the envelope", cap=MAX_ENVELOPE)
        envelope = forms.decode(cls, value, "envelope", whole=True)
        keyids = [signature.keyid for signature in envelope.signatures]
        if not 1 <= len(keyids) <= MAX_SIGNATURES:
            raise MalformedError(
                f"an envelope has 1 to {MAX_SIGNATURES} signatures, not {len(keyids)}"
            )
        if keyids != sorted(set(keyids)):
            raise MalformedError("the envelope's signatures are not sorted by keyid, one per key")
        vars(envelope)["_one_form"] = data
        return envelope

    def to_bytes(self) -> bytes:
        """Return the one byte form."""
        return self._one_form

    @cached_property
    def _one_form(self) -> bytes:
        return forms.dump(self)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the one byte form: what the log's entry holds."""
        return sha256(self.to_bytes()).digest()

    @property
    def keyids(self) -> tuple[str, ...]:
        """Who is said to have signed, sorted."""
        return tuple(signature.keyid for signature in self.signatures)

    def verified_by(self, keys: Iterable[PublicKey]) -> tuple[str, ...]:
        """Return the keyids, sorted and distinct, of those of `keys` that signed.

        Signatures by other keys are passed over; a policy counts what is returned.

        Raises:
            SignatureError: a signature said to be by one of `keys` is not.
        """
        known = {key.keyid: key for key in keys}
        message = pae(self.payload_type, self.payload)
        verified = set()
        for signature in self.signatures:
            if signature.keyid in known:
                known[signature.keyid].verify(signature.sig, message)
                verified.add(signature.keyid)
        return tuple(sorted(verified))


def sign(payload: bytes, keys: Iterable[PrivateKey]) -> Envelope:
    """Return the envelope of `payload`, signed by each of `keys`.

    Raises:
        InputError: no key, or one key twice.
    """
    given = tuple(keys)
    signers = {key.public.keyid: key for key in given}
    if not signers:
        raise InputError("no key to sign with")
    if len(signers) != len(given):
        raise InputError("one key was given twice; a key signs once")
    message = pae(PAYLOAD_TYPE, payload)
    return Envelope(
        payload=payload,
        signatures=tuple(
            Signature(keyid=keyid, sig=signers[keyid].sign(message)) for keyid in sorted(signers)
        ),
    )


def import_foreign(data: bytes, keys: Iterable[PublicKey]) -> Envelope:
    """Convert an envelope that another tool wrote; the payload's bytes stay as they are.

    Accepted are members in any order and unknown ones, either base64 alphabet, with or without
    padding, high-s ECDSA, and any or no ``keyid`` (to DSSE it is a hint): whose a signature is,
    is found out by verifying it, first under the key that is named. A second signature by one key
    is dropped.

    Raises:
        MalformedError: not a DSSE envelope of an in-toto statement.
        SignatureError: a signature that is by none of `keys`.
    """
    value = forms.parse(data, what="the envelope", cap=MAX_ENVELOPE)
    members = value if isinstance(value, dict) else {}
    payload, signatures = members.get("payload"), members.get("signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise MalformedError(f"a DSSE envelope has a list of 1 to {MAX_SIGNATURES} signatures")
    if members.get("payloadType") != PAYLOAD_TYPE:
        raise MalformedError(f"the envelope's payloadType is not {PAYLOAD_TYPE}")
    body = _either_base64(payload, "envelope.payload")
    message = pae(PAYLOAD_TYPE, body)
    known = tuple(keys)
    found: dict[str, bytes] = {}
    for i, item in enumerate(signatures):
        what = f"envelope.signatures[{i}]"
        if not isinstance(item, dict):
            raise MalformedError(f"{what} must be an object")
        sig = _either_base64(item.get("sig"), f"{what}.sig")
        named_first = sorted(known, key=lambda key: key.keyid != item.get("keyid"))
        keyid, one_form = _signer(sig, message, named_first, what)
        found.setdefault(keyid, one_form)
    return Envelope(
        payload=body,
        signatures=tuple(Signature(keyid=keyid, sig=found[keyid]) for keyid in sorted(found)),
    )


def _signer(sig: bytes, message: bytes, keys: Sequence[PublicKey], what: str) -> tuple[str, bytes]:
    for key in keys:
        try:
            one_form = key.one_form(sig)
            key.verify(one_form, message)
        except SignatureError:
            continue
        return key.keyid, one_form
    raise SignatureError(f"{what} is by none of the {len(keys)} keys given")


def _either_base64(value: forms.Json, what: str) -> bytes:
    if not isinstance(value, str):
        raise MalformedError(f"{what} must be base64 text")
    standard = value.translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
    return forms.decode_base64(standard + "=" * (-len(standard) % 4), what)
