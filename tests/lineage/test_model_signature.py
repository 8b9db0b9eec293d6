"""OpenSSF model signatures, ours and theirs, as model-signing makes and verifies them."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from histories import STAMP

from provenance.errors import InputError, MalformedError
from provenance.lineage.model_signature import GIT_PATHS, ModelSignature, sign_model
from provenance.records.opening import open_source
from provenance.signing import PrivateKey, SignatureError, pae
from provenance.statements import Model, Statement, Subject

FILES = {
    "a.txt": "1",
    "a/b": "2",
    "a/b.txt": "3",
    "a-b": "4",
    "empty": "",
    "深/weights.bin": "5" * 100_000,
}
HOSTILE = {
    "\"quoted\" 'twice'": "1",
    "back\\slash": "2",
    "right\u202eto left": "3",
    "{{}}<script>": "4",
    " leading and trailing ": "5",
    "x" * 250: "6",
    "a:0:3": "7",
    "-rf": "8",
    "*": "9",
    "\U0001f600/...": "10",
}


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def model(tmp_path):
    return write(tmp_path / "clf", FILES)


@pytest.fixture
def key():
    return PrivateKey.generate("ecdsa-p256")


@pytest.fixture
def accepted(judge, tmp_path, key):
    """Whether model-signing accepts a signature of ours."""

    def accepted(signature, files, symlinks=False):
        (tmp_path / "public.pem").write_text(key.public.to_pem())
        (tmp_path / "model.sig").write_bytes(signature)
        answer = judge(
            model_signature=str(tmp_path / "model.sig"),
            model=str(files),
            key=str(tmp_path / "public.pem"),
            symlinks=symlinks,
        )
        return answer == {} or answer["error"]

    return accepted


@pytest.fixture
def theirs(judge, tmp_path):
    """Signs with model-signing; returns the signature and the public key or certificate."""

    def theirs(files, key=None, **options):
        private = key or ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "private.pem").write_bytes(pem)
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if "certificate" in options:
            public = certificate_of(private).public_bytes(Encoding.PEM)
            options["certificate"].write_bytes(public)
            options["certificate"] = str(options["certificate"])
        signature = tmp_path / "their.sig"
        asked = {"model": str(files), "key": str(tmp_path / "private.pem"), "options": options}
        assert judge(sign=str(signature), **asked) == {}
        return signature.read_bytes(), public

    return theirs


def certificate_of(private):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "models")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        builder.not_valid_before(now)
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .sign(private, SHA256())
    )


def artifact_of(files, **options):
    return open_source(files, **options).artifact()


def registered(files, **options):
    source = open_source(files, **options)
    artifact = source.artifact()
    digest = {"provenance-artifact-v1": artifact.digest_hex, **source.digests}
    subject = Subject(name="named otherwise", digest=digest)
    return Statement(subjects=(subject,), predicate=Model(**STAMP, artifact=artifact))


def payload(signature):
    return json.loads(b64decode(json.loads(signature)["dsseEnvelope"]["payload"]))


def resigned(signature, key, change):
    """Sign what `change` makes of the payload, and return the whole signature."""
    bundle = json.loads(signature)
    body = change(payload(signature))
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    bundle["dsseEnvelope"]["payload"] = b64encode(body).decode()
    sig = key.sign(pae("application/vnd.in-toto+json", body))
    bundle["dsseEnvelope"]["signatures"] = [{"sig": b64encode(sig).decode()}]
    return json.dumps(bundle).encode()


# --- ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("files", [FILES, HOSTILE, {}])
def test_theirs_accept_what_we_sign(accepted, key, tmp_path, files):
    model = write(tmp_path / "clf", files)
    signature = sign_model(registered(model), model, key)
    assert accepted(signature, model) is True
    write(model, {"one more": ""})
    assert "Extra files found" in accepted(signature, model)


def test_theirs_see_each_change(accepted, key, model):
    signature = sign_model(registered(model), model, key)
    (model / "a.txt").write_text("other")
    assert "Hash mismatch for" in accepted(signature, model)
    (model / "a.txt").unlink()
    assert "Missing files" in accepted(signature, model)
    write(model, FILES)
    assert accepted(signature, model) is True
    assert "InvalidSignature" in accepted(
        resigned(signature, PrivateKey.generate("ecdsa-p256"), lambda same: same), model
    )


@pytest.mark.parametrize("options", [{}, {"digest": "blake3"}])
def test_it_is_what_they_would_sign(accepted, theirs, key, model, options):
    write(model, {".gitattributes": "* text", ".git/HEAD": "ref", "deep/.gitignore": "*"})
    ours = payload(sign_model(registered(model, **options), model, key))
    signature, _ = theirs(model, **({"algorithm": options["digest"]} if options else {}))
    same = payload(signature)
    ignored = same["predicate"]["serialization"]["ignore_paths"]
    same["predicate"]["serialization"]["ignore_paths"] = sorted(ignored)
    assert ours == same
    assert [each["name"] for each in ours["predicate"]["resources"]][:3] == [
        "a/b",
        "a/b.txt",
        "a-b",
    ]


def test_one_file(accepted, theirs, key, tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights" * 300_000)
    statement = registered(file)
    signature = sign_model(statement, file, key)
    assert accepted(signature, file) is True
    assert payload(signature)["subject"] == payload(theirs(file)[0])["subject"]
    file.write_bytes(b"others")
    assert accepted(signature, file) is not True
    with pytest.raises(InputError, match="is not the model 'named otherwise' that is registered"):
        sign_model(statement, file, key)


def test_what_the_model_leaves_out_is_left_out(accepted, key, model):
    write(model, {"tmp/x/y": "", "log.txt": "", "deep/tmp/z": "", "model.sig": "old"})
    ignore = ("tmp", "*.sig", "/log.txt")
    statement = registered(model, ignore=ignore)
    signature = sign_model(statement, model, key, output=model / "new.sig")
    (model / "new.sig").write_bytes(signature)
    assert accepted(signature, model) is True
    told = payload(signature)["predicate"]["serialization"]["ignore_paths"]
    assert told == sorted({*GIT_PATHS, "tmp", "log.txt", "deep/tmp", "model.sig", "new.sig"})
    with pytest.raises(InputError, match="one more file of the model: write it beside"):
        sign_model(statement, model, key, output=model / "new.oms")
    assert sign_model(statement, model, key, output=model.parent / "new.oms")


def test_symlinks_that_are_followed(accepted, key, model):
    (model / "link").symlink_to("a.txt")
    statement = registered(model, follow_symlinks=True)
    signature = sign_model(statement, model, key)
    assert payload(signature)["predicate"]["serialization"]["allow_symlinks"] is True
    assert len(payload(signature)["predicate"]["resources"]) == len(FILES) + 1
    assert accepted(signature, model, symlinks=True) is True


def test_other_files_than_the_registered_are_not_signed(key, model, tmp_path):
    statement = registered(model)
    other = write(tmp_path / "other", FILES | {"a.txt": "changed"})
    with pytest.raises(InputError, match="other is not the model 'named otherwise'"):
        sign_model(statement, other, key)
    with pytest.raises(InputError, match="is not a folder"):
        sign_model(statement, model / "a.txt", key)


def test_rows_in_other_bytes_are_not_what_is_signed(key, tmp_path):
    file = tmp_path / "trees.jsonl"
    file.write_text('{"a":1}\n')
    statement = registered(file)
    assert sign_model(statement, file, key)
    file.write_text('{"a": 1}\n')  # the same row
    assert artifact_of(file) == statement.described().artifact
    with pytest.raises(InputError, match="is not the model"):
        sign_model(statement, file, key)


def test_a_folder_that_is_registered_by_its_rows(key, tmp_path):
    folder = write(tmp_path / "trees", {"1.jsonl": "{}\n", "2.jsonl": "{}\n"})
    with pytest.raises(InputError, match="register it with the encoding 'file'"):
        sign_model(registered(folder), folder, key)
    assert sign_model(registered(folder, encoding="file"), folder, key)


def test_a_key_of_another_kind(model):
    with pytest.raises(InputError, match="by a key over P-256, and this one is ed25519"):
        sign_model(registered(model), model, PrivateKey.generate())


# --- theirs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
@pytest.mark.parametrize("options", [{}, {"algorithm": "blake3"}])
def test_their_signature_is_evidence(theirs, model, curve, options):
    write(model, {".gitattributes": ""})
    data, public = theirs(model, ec.generate_private_key(curve()), **options)
    signature = ModelSignature.open(data, public)
    assert json.loads(json.dumps(signature.evidence.digest)) == {"sha256": sha256(data).hexdigest()}
    assert signature.evidence.type == "https://model_signing/signature/v1.0"
    assert signature.evidence.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    signature.check(model, artifact_of(model))
    signature.check(model, artifact_of(model, digest="blake3"))


def test_a_certificate(theirs, model, tmp_path):
    data, certificate = theirs(model, certificate=tmp_path / "certificate.pem")
    assert "x509CertificateChain" in json.loads(data)["verificationMaterial"]
    ModelSignature.open(data, certificate).check(model, artifact_of(model))
    other = certificate_of(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(SignatureError, match="not valid under this key"):
        ModelSignature.open(data, other.public_bytes(Encoding.PEM))


def test_one_file_of_theirs(theirs, tmp_path):
    file = tmp_path / "weights.bin"
    file.write_bytes(b"weights")
    signatures = [
        ModelSignature.open(*theirs(file, algorithm=name)) for name in ("sha256", "blake3")
    ]
    for signature in signatures:
        for options in ({}, {"digest": "blake3"}, {"encoding": "line"}):
            signature.check(file, artifact_of(file, **options))
    file.write_bytes(b"other")
    for signature in signatures:
        with pytest.raises(InputError, match=r"is of another '\."):
            signature.check(file, artifact_of(file))


def test_what_they_leave_out(theirs, model):
    write(model, {"tmp/x": "", "notes": ""})
    data, public = theirs(model, ignore=["tmp", "notes"])
    signature = ModelSignature.open(data, public)
    signature.check(model, artifact_of(model))
    signature.check(model, artifact_of(model, ignore=["tmp"]))
    with pytest.raises(InputError, match=r"'a\.txt' too, which is not there"):
        signature.check(model, artifact_of(model, ignore=["a.txt"]))


def test_other_files(theirs, model):
    data, public = theirs(model)
    signature = ModelSignature.open(data, public)
    artifact = artifact_of(model)
    signature.check(model, artifact)
    write(model, {"more": ""})
    with pytest.raises(InputError, match="changed since it was hashed"):
        signature.check(model, artifact)
    with pytest.raises(InputError, match="not of 'more', which is there"):
        signature.check(model, artifact_of(model))
    (model / "more").unlink()
    write(model, {"a/b": "other"})
    for options in ({}, {"digest": "blake3"}):
        with pytest.raises(InputError, match="is of another 'a/b'"):
            signature.check(model, artifact_of(model, **options))
    (model / "a/b").unlink()
    with pytest.raises(InputError, match="'a/b' too, which is not there"):
        signature.check(model, artifact_of(model))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"shards": 1000}, "'shards' by 'sha256'"), ({"algorithm": "blake2"}, "'files' by 'blake2b'")],
)
def test_what_is_not_read(theirs, model, options, said):
    data, public = theirs(model, **options)
    with pytest.raises(InputError, match=f"is of {said}.*are read here"):
        ModelSignature.open(data, public)


def test_another_key_and_what_is_no_key(theirs, model, key):
    data, _ = theirs(model)
    with pytest.raises(SignatureError, match="not valid under this key"):
        ModelSignature.open(data, key.public.to_pem().encode())
    for pem in (b"", b"-----BEGIN CERTIFICATE-----", b"\xff", data):
        with pytest.raises(MalformedError, match="not a PEM public key or certificate"):
            ModelSignature.open(data, pem)
    others = (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
    )
    for other in others:
        public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(InputError, match="over P-256, P-384 and P-521 alone"):
            ModelSignature.open(data, public)


def changed(value, *path, to):
    """The value with another one at a path; without it, if `to` is None."""
    *way, last = path
    inner = value
    for name in way:
        inner = inner[name]
    if to is None:
        del inner[last]
    else:
        inner[last] = to
    return value


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("mediaType",), "application/vnd.dev.sigstore.bundle+json;version=0.2"),
        (("dsseEnvelope", "payloadType"), "text/plain"),
        (("dsseEnvelope", "payload"), "?"),
        (("dsseEnvelope", "payload"), None),
        (("dsseEnvelope", "signatures"), []),
        (("dsseEnvelope", "signatures", 0, "sig"), 7),
        (("dsseEnvelope", "signatures", 0, "sig"), "not base64"),
        (("dsseEnvelope",), None),
    ],
)
def test_what_is_no_bundle(theirs, model, path, to):
    data, public = theirs(model)
    with pytest.raises(MalformedError):
        ModelSignature.open(json.dumps(changed(json.loads(data), *path, to=to)).encode(), public)


def test_what_is_no_json(key):
    for data in (b"", b"[]", b"null", b"\xff", b'{"mediaType":1,"mediaType":1}', b"[" * 10_000):
        with pytest.raises(MalformedError):
            ModelSignature.open(data, key.public.to_pem().encode())


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1"),
        (("predicateType",), "https://model_signing/Digests/v0.1"),
        (("subject",), []),
        (("subject", 0, "digest"), {"sha512": "ab"}),
        (("subject", 0, "digest", "sha256"), "ab" * 32),
        (("predicate", "resources"), {}),
        (("predicate", "resources"), []),
        (("predicate", "resources", 0), "a"),
        (("predicate", "resources", 0, "digest"), "ab"),
        (("predicate", "resources", 0, "digest"), "AB" * 32),
        (("predicate", "resources", 0, "name"), None),
        (("predicate", "resources", 0, "name"), "a-b"),  # there is one already
        (("predicate", "resources", 0, "algorithm"), "blake3"),
        (("predicate", "serialization", "method"), None),
        (("predicate", "serialization", "ignore_paths"), "a"),
        (("predicate", "serialization", "ignore_paths"), [1]),
    ],
)
def test_what_is_signed_and_yet_no_manifest(model, key, path, to):
    signature = sign_model(registered(model), model, key)
    public = key.public.to_pem().encode()
    ModelSignature.open(resigned(signature, key, lambda same: same), public)
    altered = resigned(signature, key, lambda same: changed(same, *path, to=to))
    with pytest.raises(MalformedError):
        ModelSignature.open(altered, public)


def test_a_payload_that_is_no_json(model, key):
    signature = resigned(sign_model(registered(model), model, key), key, lambda _: b"{")
    with pytest.raises(MalformedError):
        ModelSignature.open(signature, key.public.to_pem().encode())


def test_what_more_they_may_say_is_passed_over(model, key):
    signature = sign_model(registered(model), model, key)

    def more(body):
        body["predicate"]["card"] = {"x": 1}
        body["predicate"]["resources"][0]["size"] = 1
        del body["predicate"]["serialization"]["ignore_paths"]
        return body

    found = ModelSignature.open(resigned(signature, key, more), key.public.to_pem().encode())
    assert found.ignored == ()
    found.check(model, artifact_of(model))
