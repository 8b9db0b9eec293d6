"""Croissant metadata as mlcroissant reads it, records too."""

import csv
import json
import sys
from dataclasses import replace
from hashlib import sha256

import pytest
from histories import (
    HOSTILE,
    PIPELINE,
    SIGNER,
    STAMP,
    TIME,
    artifact,
    digest,
    history,
    outputs,
    supersede,
)

from provenance.errors import InputError
from provenance.lineage import Event, History
from provenance.records import CHUNK, JSON, Artifact
from provenance.statements import Dataset, Model, Statement, Subject

EMPTY = Artifact(root=sha256().digest(), size=0, encoding=JSON)
ORIGIN = "acme.example/ml"
URN = f"urn:provenance-ledger:artifact:v1:{artifact('rows.csv').digest_hex}"
ENTRY = "urn:provenance-ledger:entry:v1:acme.example/ml:"
WANTED = ("citeAs", "datePublished", "license", "version")
"""What mlcroissant recommends, and warns of where it is missing."""


def registered(name="rows.csv", *, digests=None, form=Dataset, **claims):
    """A history of one registration."""
    described = claims.pop("artifact", artifact(name[:32]))
    subject = Subject(
        name=name, digest={"provenance-artifact-v1": described.digest_hex, **(digests or {})}
    )
    statement = Statement(
        subjects=(subject,), predicate=form(**STAMP, artifact=described, **claims)
    )
    return History(described.digest, (Event(0, statement, (SIGNER,)),))


def test_what_was_signed_is_told(judge):
    found = registered(
        digests={"sha256": "ab" * 32},
        license="cc-by-4.0",
        source="https://example.com/survey",
        provider="Example Institute",
        collected="2026-05 by survey",
        schema={"id": "int64", "text": "string", "price": "decimal128(10, 2)"},
        metadata={
            "description": "Answers.",
            "url": "https://example.com/answers",
            "version": "1.2.0",
            "citeAs": "@misc{answers}",
            "datePublished": "2026-06-01",
            "contentUrl": "https://example.com/rows.csv",
            "other": "is not Croissant's",
        },
    ).to_croissant(ORIGIN)
    assert judge(croissant=found) == {"warnings": []}
    del found["@context"]
    assert found == {
        "@type": "sc:Dataset",
        "@id": URN,
        "identifier": URN,
        "name": "rows.csv",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "description": "Answers.",
        "url": "https://example.com/answers",
        "version": "1.2.0",
        "citeAs": "@misc{answers}",
        "datePublished": "2026-06-01",
        "license": "https://spdx.org/licenses/CC-BY-4.0",
        "sdDatePublished": TIME,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "file",
                "name": "rows.csv",
                "contentUrl": "https://example.com/rows.csv",
                "encodingFormat": "text/csv",
                "sha256": "ab" * 32,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"records/{name}",
                        "name": name,
                        "dataType": kind,
                        "source": {"fileObject": {"@id": "file"}, "extract": {"column": name}},
                    }
                    for name, kind in (("id", "cr:Int64"), ("text", "sc:Text"))
                ],
            }
        ],
        "artifact": {
            "digest": {**digest("rows.csv"), "sha256": "ab" * 32},
            "root": artifact("rows.csv").root.hex(),
            "size": 1,
            "encoding": {"encoding": "json"},
            "sensitivity": "internal",
            "source": "https://example.com/survey",
            "provider": "Example Institute",
            "collected": "2026-05 by survey",
            "schema": {"id": "int64", "text": "string", "price": "decimal128(10, 2)"},
        },
        "statement": {
            "entry": f"{ENTRY}0",
            "sha256": found["statement"]["sha256"],
            "signers": [SIGNER],
            "revoked": [],
        },
    }


def test_nothing_is_made_up(judge):
    found = registered().to_croissant(ORIGIN)
    assert not found.keys() & {"license", "url", "description", "distribution", "recordSet"}
    told = judge(croissant=found)["warnings"]
    for warning, name in zip(told, WANTED, strict=True):
        assert f'{name}" is recommended, but does not exist' in warning


@pytest.mark.parametrize(("name", "kind"), [("rows.csv", "csv"), ("rows.jsonl", "jsonl")])
def test_the_records_are_those_of_the_file(judge, tmp_path, name, kind):
    rows = [{"id": 1, "a/b": "x"}, {"id": 2, "a/b": "ü"}]
    file = tmp_path / "elsewhere"
    with file.open("w", newline="") as text:
        if kind == "csv":
            table = csv.DictWriter(text, rows[0])
            table.writeheader()
            table.writerows(rows)
        else:
            text.writelines(json.dumps(row) + "\n" for row in rows)
    digests = {"sha256": sha256(file.read_bytes()).hexdigest()}
    schema = {"id": "int64", "a/b": "string"}
    document = registered(name, digests=digests, schema=schema).to_croissant(ORIGIN)
    answer = judge(croissant=document, file=str(file))
    assert answer["records"] == [
        {"records/id": str(row["id"]), "records/a%2Fb": row["a/b"]} for row in rows
    ]
    file.write_text(file.read_text().replace("x", "y"))
    assert "Download(file)" in judge(croissant=document, file=str(file))["error"]


def test_a_file_is_named_by_its_bytes_where_nobody_said_where_it_lies(judge):
    digests = {"sha256": sha256(b"Hello World!").hexdigest()}
    (file,) = registered(digests=digests).to_croissant(ORIGIN)["distribution"]
    # RFC 6920, section 8.1.
    assert file["contentUrl"] == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.CSV", "text/csv"),
        ("a.jsonl.gz", "application/jsonlines"),
        ("a.parquet", "application/x-parquet"),
        ("a.feather", "application/vnd.apache.arrow.file"),
        ("a.bin", "application/octet-stream"),
        ("csv", "application/octet-stream"),
        ("a.csv ", "application/octet-stream"),
    ],
)
def test_the_format_is_that_of_the_name_and_columns_are_found_in_no_other(judge, name, media_type):
    found = registered(name, digests={"sha256": "ab" * 32}, schema={"a": "bool"})
    document = found.to_croissant(ORIGIN)
    assert document["distribution"][0]["encodingFormat"] == media_type
    assert ("recordSet" in document) is (media_type != "application/octet-stream")
    assert "error" not in judge(croissant=document)


def test_a_table_by_another_name(judge, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    digests = {"sha256": sha256(file.read_bytes()).hexdigest()}
    for signed, known in (("text/csv", True), ("a table", False), ("text/csv\n", False)):
        document = registered(
            "rows", digests=digests, schema={"a": "int8"}, metadata={"encodingFormat": signed}
        ).to_croissant(ORIGIN)
        assert ("recordSet" in document) is known
        assert "error" not in judge(croissant=document)
        if known:
            answer = judge(croissant=document, file=str(file))
            assert answer["records"] == [{"records/a": "1"}]


def test_bytes_are_no_table_whatever_their_name(judge):
    described = Artifact(root=bytes(32), size=1, encoding=CHUNK)
    document = registered("a.csv", artifact=described, digests={"sha256": "ab" * 32})
    (file,) = document.to_croissant(ORIGIN)["distribution"]
    assert file["encodingFormat"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        ("uint8", {"dataType": "cr:UInt8"}),
        ("halffloat", {"dataType": "cr:Float16"}),
        ("date32[day]", {"dataType": "sc:Date"}),
        ("timestamp[us, tz=Europe/Berlin]", {"dataType": "sc:DateTime"}),
        ("time64[us]", {"dataType": "sc:Time"}),
        ("list<double>", {"dataType": "cr:Float64", "isArray": True, "arrayShape": "-1"}),
        ("list<list<bool>>", {"dataType": "sc:Boolean", "isArray": True, "arrayShape": "-1,-1"}),
        *((text, None) for text in ("binary", "null", "duration[s]", "struct<a: int8>", "", "\n")),
        *((text, None) for text in ("list<int8", "list<struct<a: int8>>", "int8 ", "int8\n")),
        (["int8"], None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_types_of_columns(judge, signed, told):
    found = registered(digests={"sha256": "ab" * 32}, schema={"a": signed, "b": "int8"})
    document = found.to_croissant(ORIGIN)
    fields = {each["name"]: each for each in document["recordSet"][0]["field"]}
    field = fields.pop("a", None)
    assert (field and {key: field[key] for key in told or field if key in field}) == told
    assert not field or field.keys() - told.keys() == {"@type", "@id", "name", "source"}
    assert [*fields] == ["b"]
    assert document["artifact"]["schema"] == {"a": signed, "b": "int8"}
    assert "error" not in judge(croissant=document)


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        ("MIT", "https://spdx.org/licenses/MIT"),
        ("https://example.com/terms", "https://example.com/terms"),
        ("mit or apache-2.0", {"@type": "sc:CreativeWork", "name": "MIT OR Apache-2.0"}),
        ("LicenseRef-ours", {"@type": "sc:CreativeWork", "name": "LicenseRef-ours"}),
        ("ask us: first", {"@type": "sc:CreativeWork", "name": "ask us: first"}),
    ],
)
def test_licences(judge, signed, told):
    document = registered(license=signed).to_croissant(ORIGIN)
    assert document["license"] == told
    assert len(judge(croissant=document)["warnings"]) == len(WANTED) - 1


def test_a_licence_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.licenses", None)
    with pytest.raises(InputError, match=r"need packaging: pip install 'provenance-ledger\[exp"):
        registered(license="MIT").to_croissant(ORIGIN)


def test_an_empty_data_set(judge):
    document = registered(artifact=EMPTY, schema={}).to_croissant(ORIGIN)
    assert (document["artifact"]["size"], "recordSet" in document) == (0, False)
    assert "error" not in judge(croissant=document)


def test_what_is_superseded_or_under_a_revoked_signature_says_so(judge):
    document = history(*PIPELINE, of="raw").to_croissant(ORIGIN)
    assert document["statement"]["superseded"] == f"{ENTRY}11"
    assert "error" not in judge(croissant=document)
    assert "superseded" not in history(*PIPELINE, of="clean").to_croissant(ORIGIN)["statement"]
    found = registered()
    revoked = tuple(replace(event, revoked=(SIGNER,)) for event in found.events)
    document = replace(found, events=revoked).to_croissant(ORIGIN)
    assert document["statement"]["revoked"] == [SIGNER]
    assert "error" not in judge(croissant=document)


def test_of_several_registrations_the_newest_that_counts():
    (first,), (second,) = registered(source="a").events, registered(source="b").events
    second = replace(second, index=1)

    def told(*events):
        document = History(first.statement.artifact_digests()[0], events).to_croissant(ORIGIN)
        return document["artifact"]["source"]

    assert told(first, second) == told(second, first) == "b"
    gone = replace(second, revoked=(SIGNER,))
    assert told(first, gone) == told(gone, first) == "a"
    assert told(replace(first, revoked=(SIGNER,)), gone) == "b"


def test_what_is_no_data_set_is_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"as model, and Croissant .*--format cyclonedx describes"):
        registered(form=Model).to_croissant(ORIGIN)
    with pytest.raises(InputError, match=r"'answers' is registered as outputs.*data sets$"):
        history(outputs("answers", "model"), of="answers").to_croissant(ORIGIN)
    with pytest.raises(InputError, match="is not registered here"):
        history(supersede("raw", "better"), of="better").to_croissant(ORIGIN)


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        '"\n\r\t\0\x1b[2J\u202e\u2028',
        "x" * 10_000,
        "\U0001f600",
        "@id",
        "@value",
        "",
        ".",
        "..",
        "//",
        "_:b0",
        "https://schema.org/name",
        "cr:field",
        "records",
        "2026-01-01",
        "https://[",
        "a b:c",
    ],
)
def test_whatever_a_text_holds_it_stays_a_text(judge, text):
    evil = dict.fromkeys(
        (
            "description",
            "url",
            "version",
            "citeAs",
            "datePublished",
            "contentUrl",
            "encodingFormat",
        ),
        text,
    )
    document = registered(
        f"{text}.csv" if text in HOSTILE else "s.csv",
        digests={"sha256": "ab" * 32},
        license=text,
        source=text,
        provider=text,
        collected=text,
        schema={text: "int8", "b": text, "x" + text: "string"},
        metadata={**evil, text: text},
    ).to_croissant(ORIGIN)
    answer = judge(croissant=document)
    assert "error" not in answer, answer
    fields = document["recordSet"][0]["field"]
    assert [field["name"] for field in fields] == [each for each in (text, "x" + text) if each]
    assert document["artifact"]["schema"]["b"] == text
