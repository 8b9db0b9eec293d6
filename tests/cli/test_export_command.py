"""`export`: what a ledger knows, in the words of other tools."""

import json
from hashlib import sha256

import google.protobuf.json_format as pb_json
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import FastAPI, Request
from in_toto_attestation.v1 import statement_pb2
from prov.model import ProvDocument
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
from serving import serving

from provenance.signing import PrivateKey, write_key_file


@pytest.fixture
def trained(provenance):
    """Two steps: rows → open.csv → clf, the second with a name that is hard to write down."""
    provenance("step", "clean", "--input", "rows", "--output", "open.csv", "--", "true")
    evil = '"; drop\\'
    provenance("step", evil, "--input", "open.csv", "--output", "model", "--", "true")
    return provenance


def test_slsa(trained):
    out, told = trained("export", "clf", "--format", "slsa")
    assert told == ""
    (line,) = out.splitlines()
    statement = json.loads(line)
    run = statement["predicate"]["runDetails"]
    origin, _, index = run["metadata"]["invocationId"].partition("#")
    entry = trained.json("entry", index)
    assert origin == "acme.example/ml"
    assert statement["subject"] == entry["statement"]["subject"]
    signed = json.dumps(
        entry["statement"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    (byproduct,) = run["byproducts"]
    assert byproduct["digest"] == {"sha256": sha256(signed.encode()).hexdigest()}


def test_slsa_of_the_steps_before(trained):
    out, _ = trained("export", "clf", "--format", "slsa", "--depth", "1")
    steps = [
        json.loads(line)["predicate"]["buildDefinition"]["externalParameters"]["step"]
        for line in out.splitlines()
    ]
    assert steps == ['"; drop\\', "clean"]
    found = trained.json("export", "clf", "--format", "slsa", "--depth", "1")
    assert found == {"format": "slsa", "documents": [*map(json.loads, out.splitlines())]}


def test_slsa_of_what_no_step_made(reading):
    _, told = reading("export", "rows", "--format", "slsa", status=2)
    assert "no step there succeeded" in told


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa-p256"])
def test_slsa_is_signed(trained, tmp_path, algorithm):
    """Read and verified by in-toto's own libraries."""
    key, other = PrivateKey.generate(algorithm), PrivateKey.generate(algorithm)
    write_key_file(tmp_path / "key.pem", key, b"secret")
    export = ("export", "clf", "--format", "slsa", "--depth", "1")
    signing = (*export, "--key", tmp_path / "key.pem")
    out, _ = trained(*signing, PROVENANCE_PASSPHRASE="secret")
    unsigned = [json.loads(line) for line in trained(*export)[0].splitlines()]
    assert len(unsigned) == 2
    for line, statement in zip(out.splitlines(), unsigned, strict=True):
        envelope = dsse.Envelope.from_dict(json.loads(line))
        public, stranger = (
            SSlibKey.from_crypto(
                load_pem_public_key(each.public.to_pem().encode()), each.public.keyid
            )
            for each in (key, other)
        )
        assert envelope.payload_type == "application/vnd.in-toto+json"
        assert envelope.verify([public, stranger], 1).keys() == {key.public.keyid}
        with pytest.raises(VerificationError):
            envelope.verify([stranger], 1)
        assert json.loads(envelope.payload) == statement
        pb_json.Parse(envelope.payload, statement_pb2.Statement())
        envelope.payload += b"\n"
        with pytest.raises(VerificationError):
            envelope.verify([public], 1)
    found = trained.json(*signing, PROVENANCE_PASSPHRASE="secret")["documents"]
    assert [each["payload"] for each in found] == [
        json.loads(line)["payload"] for line in out.splitlines()
    ]
    _, told = trained(*signing, status=2, PROVENANCE_PASSPHRASE="other")
    assert "key.pem" in told
    _, told = trained(*signing, "--files", "clf", status=2)
    assert "--files is for --format oms" in told
    _, told = trained("export", "clf", "--format", "prov", *signing[-2:], status=2)
    assert "--key is for --format oms and slsa" in told


def test_prov(trained):
    out, told = trained("export", "clf", "--format", "prov")
    assert (told, out.count("\n")) == ("", 1)
    document = ProvDocument.deserialize(content=out, format="json")
    assert ProvDocument.deserialize(content=document.serialize(), format="json") == document
    names = {entity["prov:label"] for entity in json.loads(out)["entity"].values()}
    assert names == {"rows", "open.csv", "clf"}
    near, _ = trained("export", "clf", "--format", "prov", "--depth", "0")
    assert len(json.loads(near)["activity"]) == 1 < len(json.loads(out)["activity"])
    found = trained.json("export", "clf", "--format", "prov")
    assert found == {"format": "prov", "documents": [json.loads(out)]}
    size = len(json.loads(out)["wasAttributedTo"])
    before, _ = trained("export", "clf", "--format", "prov", "--as-of", "5")
    assert "activity" not in json.loads(before)
    assert len(json.loads(before)["wasAttributedTo"]) < size


def test_openlineage(trained):
    out, told = trained("export", "clf", "--format", "openlineage")
    assert told == ""
    events = [json.loads(line) for line in out.splitlines()]
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("clean", "START"),
        ("clean", "COMPLETE"),
        ('"; drop\\', "START"),
        ('"; drop\\', "COMPLETE"),
    ]
    found = trained.json("export", "clf", "--format", "openlineage")
    assert found == {"format": "openlineage", "documents": events}
    near, _ = trained("export", "clf", "--format", "openlineage", "--depth", "0")
    assert [json.loads(line) for line in near.splitlines()] == events[2:]
    _, told = trained("export", "rows", "--format", "openlineage", status=2)
    assert "there is no step there" in told


def test_openlineage_is_sent(trained):
    app, arrived = FastAPI(), []

    @app.post("/p/vision/api/v1/lineage")
    def take(event: dict[str, object], request: Request):
        arrived.append((event, request.headers["Authorization"]))

    export = ("export", "clf", "--format", "openlineage")
    with serving(app) as url:
        sending = (*export, "--send", f"{url}/p/vision")
        assert trained(*sending, OPENLINEAGE_API_KEY="plt_1") == ("sent 4 events\n", "")
        sent = trained.json(*sending, OPENLINEAGE_API_KEY="plt_1")
    assert sent == {"format": "openlineage", "sent": 4}
    assert arrived == [(each, "Bearer plt_1") for each in trained.json(*export)["documents"]] * 2
    _, told = trained("export", "rows", *sending[2:], status=2)
    assert "there is no step there" in told
    _, told = trained(*sending, status=2, OPENLINEAGE_API_KEY="\n")
    assert "no token has" in told
    _, told = trained(*sending, "-o", "events.jsonl", status=2)
    assert "not for a file as well" in told
    _, told = trained("export", "clf", "--format", "prov", "--send", "http://x", status=2)
    assert "is for --format openlineage" in told


def test_croissant(provenance, judge, tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("name,age\nAda,36\nAlan,41\n")
    claims = ("--license", "CC-BY-4.0", "--meta", "description=Who answered.")
    provenance("register", people, *claims)
    out, told = provenance("export", "people.csv", "--format", "croissant")
    assert (told, out.count("\n")) == ("", 1)
    document = json.loads(out)
    assert document["@id"].endswith(provenance.json("show", "people.csv")["digest"])
    assert document["description"] == "Who answered."
    answer = judge(croissant=document, file=str(people))
    assert answer["records"] == [
        {"records/name": "Ada", "records/age": "36"},
        {"records/name": "Alan", "records/age": "41"},
    ]
    assert not [warning for warning in answer["warnings"] if "license" in warning]
    found = provenance.json("export", "people.csv", "--format", "croissant", "--depth", "9")
    assert found == {"format": "croissant", "documents": [document]}
    _, told = provenance("export", "clf", "--format", "croissant", status=2)
    assert "'clf' is registered as model" in told


def test_cyclonedx(trained, judge):
    trained("quality", "clf", "--metric", "f1=0.93")
    out, told = trained("export", "clf", "--format", "cyclonedx")
    assert (told, out.count("\n")) == ("", 1)
    document = json.loads(out)
    assert judge(cyclonedx=document) == {}
    component = document["metadata"]["component"]
    assert component["bom-ref"].endswith(trained.json("show", "clf")["digest"])
    (metric,) = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert metric == {"type": "f1", "value": "0.93"}
    assert [each["name"] for each in document["components"]] == ["open.csv", "rows"]
    again, _ = trained("export", "clf", "--format", "cyclonedx")
    assert again == out
    near = trained.json("export", "clf", "--format", "cyclonedx", "--depth", "0")
    assert [each["name"] for each in near["documents"][0]["components"]] == ["open.csv"]
    _, told = trained("export", "rows", "--format", "cyclonedx", status=2)
    assert "'rows' is registered as dataset" in told


@pytest.fixture
def signing(provenance, tmp_path):
    """A model of two files, registered as ``net``, and a key for model signatures."""
    net = tmp_path / "net"
    net.mkdir()
    (net / "weights.bin").write_bytes(b"weights")
    (net / "config.json").write_text("{}")
    provenance("register", net, "--kind", "model")
    key = PrivateKey.generate("ecdsa-p256")
    write_key_file(tmp_path / "key.pem", key, None)
    (tmp_path / "public.pem").write_text(key.public.to_pem())
    return provenance, net, tmp_path / "key.pem", tmp_path / "public.pem"


def test_a_model_signature(signing, judge, tmp_path):
    provenance, net, key, public = signing
    arguments = ("export", "net", "--format", "oms", "--files", net, "--key", key)
    signature = tmp_path / "net.sig"
    out, told = provenance(*arguments, "-o", signature)
    assert (out, told) == (f"wrote {signature}\n", "")
    asked = {"model_signature": str(signature), "model": str(net), "key": str(public)}
    assert judge(**asked, symlinks=False) == {}
    signed = json.loads(signature.read_text())["dsseEnvelope"]["payload"]
    out, _ = provenance(*arguments)
    assert json.loads(out)["dsseEnvelope"]["payload"] == signed
    found = provenance.json(*arguments)["documents"]
    assert found[0]["dsseEnvelope"]["payload"] == signed
    assert provenance.json(*arguments, "-o", signature) == {"format": "oms", "file": str(signature)}
    (net / "config.json").write_text("[]")
    signature.unlink()
    _, told = provenance(*arguments, "-o", signature, status=2)
    assert "is not the model 'net' that is registered" in told
    assert not signature.exists()
    (net / "config.json").write_text("{}")
    provenance("supersede", "net", "--reason", "old")
    out, told = provenance(*arguments)
    assert "warning: entry" in told
    assert "says that net is not to be used any more" in told
    assert "is revoked" not in told
    revoke = ("keys", "revoke", "signer", "--reason", "stolen")
    provenance(*revoke, "--compromised-since", "2020-01-01T00:00:00Z")
    _, told = provenance(*arguments)
    assert "warning: the signature under entry" in told


def test_what_a_model_signature_needs(signing):
    provenance, net, key, public = signing
    oms = ("export", "net", "--format", "oms")
    given = ("--files", net, "--key", key)
    for arguments, message in (
        ((*oms, "--files", net), "needs the model's --files, and a --key"),
        ((*oms, "--key", key), "needs the model's --files, and a --key"),
        ((*oms, *given, "--depth", "1"), "has no --depth"),
        (("export", "net", "--format", "cyclonedx", *given), "is for --format oms"),
        (("export", "rows", "--format", "oms", *given), "rows is registered as dataset"),
        ((*oms, "--files", net, "--key", public), "chmod 600"),
        ((*oms, *given, "-o", net / "net.sig"), "one more file of the model"),
        ((*oms, *given, "-o", net / "none" / "net.sig"), "one more file of the model"),
    ):
        _, told = provenance(*arguments, status=2)
        assert message in told
    public.chmod(0o600)
    _, told = provenance(*oms, "--files", net, "--key", public, status=2)
    assert "is not a PEM private key" in told


def test_an_export_into_a_file(reading, tmp_path):
    file = tmp_path / "rows.json"
    out, _ = reading("export", "rows", "--format", "prov", "-o", file)
    assert out == f"wrote {file}\n"
    written, _ = reading("export", "rows", "--format", "prov")
    assert file.read_text() == written
    _, told = reading("export", "rows", "--format", "prov", "-o", tmp_path / "a" / "b", status=2)
    assert "cannot write" in told


def test_a_model_signature_as_evidence(signing, tmp_path):
    provenance, net, key, public = signing
    signature = tmp_path / "net.sig"
    provenance("export", "net", "--format", "oms", "--files", net, "--key", key, "-o", signature)
    theirs = ("--model-signature", signature, "--signature-key", public)
    (found,) = provenance.json("register", net, "--kind", "model", *theirs)["artifacts"]
    again = provenance.json("register", net, "--kind", "model", *theirs)["artifacts"]
    assert again == [found]
    digest = sha256(signature.read_bytes()).hexdigest()
    evidence = {
        "type": "https://model_signing/signature/v1.0",
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "digest": {"sha256": digest},
    }
    statement = provenance.json("entry", str(found["index"]))["statement"]
    assert statement["predicate"]["evidence"] == [evidence]
    provenance("anchor")
    provenance("prove", net, "--sidecar")
    out, _ = provenance("verify", net)
    line = f"  its signers name as evidence: {evidence['type']}, sha256 {digest}\n"
    assert line in out
    assert provenance.json("verify", net)["evidence"] == [evidence]

    size = provenance.json("status")["size"]
    (net / "config.json").write_text("[]")
    for arguments, message in (
        ((net, *theirs), "the model signature is of another 'config.json'"),
        ((net, "--model-signature", signature), "go together"),
        ((net, "--signature-key", public), "go together"),
        ((net, tmp_path / "key.pem", *theirs), "one model signature for several artifacts"),
        ((net, "--model-signature", public, "--signature-key", public), "the model signature"),
        ((net, "--model-signature", tmp_path / "none", "--signature-key", public), "none"),
    ):
        _, told = provenance("register", *arguments, status=2)
        assert message in told
    assert provenance.json("status")["size"] == size
