"""OpenSSF model signatures (OMS): made of a registered model's files, and those of others checked.

A signature is a Sigstore bundle, v0.3, around a DSSE envelope::

    {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
     "verificationMaterial": {"publicKey": {"hint": "2709…"},    SHA-256 of the public key's PEM
                              "tlogEntries": []},
     "dsseEnvelope": {"payload": "eyJfdHlw…", "payloadType": "application/vnd.in-toto+json",
                      "signatures": [{"sig": "MEQC…", "keyid": ""}]}}

whose payload names every file::

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "clf", "digest": {"sha256": "3545…"}}],    of all digests, one by one
     "predicateType": "https://model_signing/signature/v1.0",
     "predicate": {
       "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false,
                         "ignore_paths": [".git", ".gitattributes", ".github", ".gitignore"]},
       "resources": [{"name": "a/b", "algorithm": "sha256", "digest": "2d71…"}, …]}}

Resources are in the order of their paths, name by name: ``a/b`` before ``a.txt``. A model of one
file has one, called ``.``. What git keeps beside the files the tools of others leave out, and so
is left out here: it is named among what is ignored.

A signature by others is opened under a key that the caller has from elsewhere: ECDSA over P-256,
P-384 or P-521. Whose the key is, and until when a certificate counts, is the caller's to know.
Signatures by shards of files, and those of the time before 1.0, are not read.

The tests hold this against ``model-signing``, in both directions.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from provenance import forms
from provenance.errors import InputError, MalformedError
from provenance.merkle import CompactRange, leaf_hash
from provenance.records import Artifact
from provenance.records.cache import DigestCache
from provenance.records.files import SteadyFile
from provenance.records.listing import is_ignored, list_ignored
from provenance.records.opening import open_source
from provenance.signing import PrivateKey, SignatureError, pae
from provenance.signing.dsse import PAYLOAD_TYPE
from provenance.statements import Evidence, Statement

__all__ = ["BUNDLE_TYPE", "PREDICATE_TYPE", "ModelSignature", "sign_model"]

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

PREDICATE_TYPE = "https://model_signing/signature/v1.0"

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

GIT_PATHS = (".git", ".gitattributes", ".github", ".gitignore")
"""What model-signing leaves out unless it is told not to."""

MAX_SIGNATURE = 64 << 20
"""Bytes of the largest signature that is read: some 300,000 files."""

_CURVES: dict[str, HashAlgorithm] = {
    "secp256r1": SHA256(),
    "secp384r1": SHA384(),
    "secp521r1": SHA512(),
}


def sign_model(
    statement: Statement, files: Path, key: PrivateKey, *, output: Path | None = None
) -> bytes:
    """Return a signature of a registered model's files, having checked that they are these.

    Args:
        statement: registers the model.
        files: its folder, or its one file.
        key: ECDSA over P-256.
        output: where the signature is going to lie; within the folder only where the model's own
            globs leave that out.

    Raises:
        InputError: other files, another key, or a model of something else than files.
    """
    if key.public.algorithm != "ecdsa-p256":
        raise InputError(
            f"a model signature is by a key over P-256, and this one is {key.public.algorithm}: "
            "openssl ecparam -name prime256v1 -genkey -noout -out model.pem"
        )
    artifact, subject = statement.described().artifact, statement.subjects[0]
    found, digests = _measure(files, artifact)
    signed = subject.digest.get("sha256")
    if found != artifact or (signed is not None and digests != {".": signed}):
        raise InputError(
            f"{files} is not the model {subject.name!r} that is registered: it has another digest, "
            f"{found.digest_hex[:16]}"
        )
    encoding = artifact.encoding
    ignored = {*GIT_PATHS}
    if encoding.name == "file":
        ignored |= {*list_ignored(files, encoding.ignore or (), bool(encoding.follow_symlinks))}
        if output is not None and output.resolve().is_relative_to(files.resolve()):
            inside = output.resolve().relative_to(files.resolve()).as_posix()
            if not is_ignored(inside, encoding.ignore or ()):
                raise InputError(
                    f"{output} would be one more file of the model: write it beside {files}"
                )
            ignored.add(inside)
    algorithm = encoding.digest or "sha256"
    payload = _payload(
        files.resolve().name,
        {name: digest for name, digest in digests.items() if not _is_below(name, GIT_PATHS)},
        algorithm,
        {
            "method": "files",
            "hash_type": algorithm,
            "allow_symlinks": bool(encoding.follow_symlinks),
            "ignore_paths": sorted(ignored),
        },
    )
    hint = sha256(key.public.to_pem().encode()).hexdigest()
    signature = b64encode(key.sign(pae(PAYLOAD_TYPE, payload))).decode()
    return forms.canonical(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": b64encode(payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [{"sig": signature, "keyid": ""}],
            },
        }
    )


def _payload(
    name: str, digests: Mapping[str, str], algorithm: str, serialization: dict[str, forms.Json]
) -> bytes:
    names = sorted(digests, key=PurePosixPath)
    resources: list[forms.Json] = [
        {"name": each, "algorithm": algorithm, "digest": digests[each]} for each in names
    ]
    return forms.canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": _root(digests[n] for n in names)}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"serialization": serialization, "resources": resources},
        }
    )


@dataclass(frozen=True)
class ModelSignature:
    """A signature by somebody else, valid under the key that was given. Made by `open`.

    Attributes:
        evidence: what a statement says of it.
        algorithm: of the digests.
        digests: name of each file → its digest, hex.
        ignored: names of files and folders that it leaves out.
    """

    evidence: Evidence
    algorithm: str
    digests: Mapping[str, str]
    ignored: tuple[str, ...]

    @classmethod
    def open(cls, data: bytes, key: bytes) -> ModelSignature:
        """Check a signature, and read what it is of.

        Args:
            data: the bytes of the signature's file.
            key: PEM of the public key, or of the certificate, of whoever signed.

        Raises:
            MalformedError: not a signature as the module says.
            InputError: not a key that makes such signatures.
            SignatureError: it is not by this key.
        """
        payload, signature = _envelope(data)
        public, algorithm = _public_key(key)
        try:
            public.verify(signature, pae(PAYLOAD_TYPE, payload), ECDSA(algorithm))
        except InvalidSignature:
            raise SignatureError("the model signature is not valid under this key") from None
        evidence = Evidence(
            type=PREDICATE_TYPE,
            media_type=BUNDLE_TYPE,
            digest={"sha256": sha256(data).hexdigest()},
        )
        return cls(evidence, *_manifest(payload))

    def check(self, files: Path, artifact: Artifact, cache: DigestCache | None = None) -> None:
        """Check that it is of these files, which are the artifact; all but what it leaves out.

        Args:
            files: a folder, or one file.
            artifact: what is registered.
            cache: as `open_source` takes it.

        Raises:
            InputError: a file is not signed, signed and not there, or another.
        """
        found, digests = _measure(files, artifact, cache)
        if found != artifact:
            raise InputError(f"{files} changed since it was hashed")
        if (artifact.encoding.digest or "sha256") != self.algorithm:
            digests = {name: self._digest(files / name) for name in digests}
        ignored = (*self.ignored, *GIT_PATHS)
        for name in sorted(self.digests.keys() | digests.keys()):
            there, signed = digests.get(name), self.digests.get(name)
            if there is None:
                raise InputError(f"the model signature is of {name!r} too, which is not there")
            if signed is None and not _is_below(name, ignored):
                raise InputError(f"the model signature is not of {name!r}, which is there")
            if signed is not None and there != signed:
                raise InputError(f"the model signature is of another {name!r}")

    def _digest(self, path: Path) -> str:
        with SteadyFile(path, str(path), [self.algorithm]) as file:
            return file.finish()[self.algorithm]


# --- files --------------------------------------------------------------------------------------


def _measure(
    files: Path, artifact: Artifact, cache: DigestCache | None = None
) -> tuple[Artifact, dict[str, str]]:
    """Read files as the artifact was read; return what they are, and name → digest of each.

    Raises:
        InputError: they cannot be read so, or are known by their rows alone.
    """
    source = open_source(files, encoding=artifact.encoding, cache=cache)
    if artifact.encoding.name != "file":
        found = source.artifact()
        if "sha256" not in source.digests:
            raise InputError(
                f"{files} is registered by the rows of its tables, and a model signature is of "
                "files: register it with the encoding 'file'"
            )
        return found, {".": source.digests["sha256"]}
    records, digests = CompactRange(), dict[str, str]()
    for leaf in source.leaves():
        records.extend(leaf_hash(leaf))
        record = json.loads(leaf)
        digests[record["path"]] = record[str(artifact.encoding.digest)]
    return Artifact(root=records.root(), size=records.end, encoding=artifact.encoding), digests


def _is_below(name: str, folders: Iterable[str]) -> bool:
    """Whether it is one of these, or within one."""
    return any(PurePosixPath(name).is_relative_to(folder) for folder in folders)


def _root(digests: Iterable[str]) -> str:
    """Return SHA-256 of digests, one after the other, all of them hex."""
    return sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


# --- reading ------------------------------------------------------------------------------------


def _envelope(data: bytes) -> tuple[bytes, bytes]:
    """Return the payload and the one signature of a bundle."""
    match forms.parse(data, what="the model signature", cap=MAX_SIGNATURE):
        case {
            "mediaType": str(media_type),
            "dsseEnvelope": {
                "payload": str(payload),
                "payloadType": str(payload_type),
                "signatures": [{"sig": str(signature)}],
            },
        } if (media_type, payload_type) == (BUNDLE_TYPE, PAYLOAD_TYPE):
            return (
                forms.decode_base64(payload, "the payload"),
                forms.decode_base64(signature, "the signature"),
            )
        case _:
            raise MalformedError(
                "not a model signature: a Sigstore bundle, v0.3, of one signed in-toto statement"
            )


def _public_key(pem: bytes) -> tuple[EllipticCurvePublicKey, HashAlgorithm]:
    """Read a public key or the certificate of one, and with which hash it signs."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            key = x509.load_pem_x509_certificate(pem).public_key()
        else:
            key = load_pem_public_key(pem)  # type: ignore[assignment]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise MalformedError("not a PEM public key or certificate") from None
    algorithm = _CURVES.get(key.curve.name) if isinstance(key, EllipticCurvePublicKey) else None
    if algorithm is None or not isinstance(key, EllipticCurvePublicKey):
        raise InputError("model signatures are by keys over P-256, P-384 and P-521 alone")
    return key, algorithm


def _manifest(payload: bytes) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """Return algorithm, digests and what is ignored, of a payload that was signed."""
    match forms.parse(payload, what="the payload", cap=MAX_SIGNATURE):
        case {
            "_type": str(kind),
            "predicateType": str(predicate_type),
            "subject": [{"digest": {"sha256": str(root)}}],
            "predicate": {
                "serialization": {"method": str(method), "hash_type": str(algorithm), **more},
                "resources": [*resources],
            },
        } if (kind, predicate_type) == (STATEMENT_TYPE, PREDICATE_TYPE):
            pass
        case _:
            raise MalformedError(f"the payload is not a model signature, {PREDICATE_TYPE}")
    if method != "files" or algorithm not in ("sha256", "blake3"):
        raise InputError(
            f"the model signature is of {method!r} by {algorithm!r}: only 'files' by 'sha256' or "
            "'blake3' are read here"
        )
    digests: dict[str, str] = {}
    for resource in resources:
        match resource:
            case {"name": str(name), "digest": str(digest), "algorithm": str(named)} if (
                named == algorithm and name not in digests and re.fullmatch("[0-9a-f]{64}", digest)
            ):
                digests[name] = digest
            case _:
                raise MalformedError("a resource of the model signature is not a file's digest")
    if _root(digests.values()) != root:
        raise MalformedError("the model signature's digest is not that of its resources")
    match more.get("ignore_paths", []):
        case [*ignored] if all(isinstance(path, str) for path in ignored):
            return algorithm, digests, tuple(map(str, ignored))
        case _:
            raise MalformedError("what the model signature ignores is not a list of paths")
