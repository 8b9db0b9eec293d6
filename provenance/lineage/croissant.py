"""A data set as Croissant 1.1 metadata: http://mlcommons.org/croissant/1.1, JSON-LD.

Only what was signed is told. Of the registration::

    {"@type": "sc:Dataset", "@id": "urn:provenance-ledger:artifact:v1:6a31…", "name": "train.csv",
     "license": "https://spdx.org/licenses/CC-BY-4.0",
     "distribution": [{"@type": "cr:FileObject", "@id": "file", "name": "train.csv",
                       "sha256": "…", "contentUrl": "ni:///sha-256;…",
                       "encodingFormat": "text/csv"}],
     "recordSet": [{"@type": "cr:RecordSet", "@id": "records", "name": "records",
                    "field": [{"@type": "cr:Field", "@id": "records/age", "name": "age",
                               "dataType": "cr:Int64",
                               "source": {"fileObject": {"@id": "file"},
                                          "extract": {"column": "age"}}}]}],
     "artifact": {…}, "statement": {…}}

``artifact`` and ``statement`` are ours, `ARTIFACT` and `STATEMENT`: what the artifact digest is
made of and the whole signed schema; who signed, where in the log, and whether it still counts.

A file stands there if its SHA-256 was signed. Where it lies nobody signs, unless in the metadata's
``contentUrl``; so its URL is a name for these very bytes (RFC 6920). Its format is the metadata's
``encodingFormat``, or else that of the name's ending. Where neither says it, nothing is said of
columns; and a column without a name, or of a type that Croissant has no word for, is no field.

The tests read it with ``mlcroissant``, records too.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote

from provenance import forms
from provenance.errors import InputError
from provenance.lineage.graph import Event, History
from provenance.lineage.naming import artifact_uri, entry_prefix
from provenance.lineage.registrations import registration, signed_texts, spdx_expression
from provenance.statements import Dataset

__all__ = ["CONFORMS_TO", "to_croissant"]

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"

_CONTEXT: dict[str, forms.Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "artifact": {"@id": "ledger:artifact", "@type": "@json"},
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "ledger": "urn:provenance-ledger:croissant:v1:",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "statement": {"@id": "ledger:statement", "@type": "@json"},
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The standard's (appendix 1), and two terms of ours."""

_FORMATS = {
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".parquet": "application/x-parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
}
"""Ending of a table's name, perhaps before ``.gz`` → media type, of those that mlcroissant reads
as it knows them."""

_UNKNOWN = "application/octet-stream"

_TYPES = {
    **{f"int{bits}": f"cr:Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"cr:UInt{bits}" for bits in (8, 16, 32, 64)},
    "halffloat": "cr:Float16",
    "float": "cr:Float32",
    "double": "cr:Float64",
    "bool": "sc:Boolean",
    "string": "sc:Text",
    "date32": "sc:Date",
    "date64": "sc:Date",
    "timestamp": "sc:DateTime",
    "time32": "sc:Time",
    "time64": "sc:Time",
}
"""Signed type, without its unit → that of a field."""


def to_croissant(history: History, origin: str) -> dict[str, forms.Json]:
    """Return the metadata of a data set, as JSON-LD.

    Args:
        history: of the data set; at depth 0 it has all that is told.
        origin: of the log that the history was read from.

    Raises:
        InputError: it is not registered, or as something else; or the list of licences is missing.
    """
    event = registration(history, Dataset)
    dataset, subject = event.statement.predicate, event.statement.subjects[0]
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"{subject.name!r} is registered as {dataset.kind}, and Croissant describes data sets"
            + ("; --format cyclonedx describes models" if dataset.kind == "model" else "")
        )
    file = _file(event, dataset)
    known = file is not None and file["encodingFormat"] != _UNKNOWN
    fields = [*_fields(dataset)] if known else []
    records = {"@type": "cr:RecordSet", "@id": "records", "name": "records", "field": fields}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "@id": artifact_uri(history.artifact),
        "identifier": artifact_uri(history.artifact),
        "name": subject.name,
        "conformsTo": CONFORMS_TO,
        **_metadata(dataset),
        **({} if dataset.license is None else {"license": _license(dataset.license)}),
        "sdDatePublished": dataset.issued,
        **({"distribution": [file]} if file else {}),
        **({"recordSet": [records]} if fields else {}),
        "artifact": _artifact(event, dataset),
        "statement": _statement(history, event, dataset, origin),
    }


def _metadata(dataset: Dataset) -> dict[str, str]:
    """Return what the signed metadata says under Croissant's own names, in Croissant's forms."""
    found = signed_texts(dataset, "description", "citeAs", "version", "url", "datePublished")
    if not _is_uri(found.get("url", "")):
        found.pop("url", None)
    try:
        datetime.fromisoformat(found.get("datePublished", ""))
    except ValueError:
        found.pop("datePublished", None)
    return found


def _is_uri(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text) is not None


def _license(license: str) -> forms.Json:
    """Return a URL, the one of SPDX if it is a licence of theirs, or a work of this name."""
    if _is_uri(license):
        return license
    known = spdx_expression(license)
    if known is None or " " in known or known.startswith("LicenseRef-"):
        return {"@type": "sc:CreativeWork", "name": known or license}
    return f"https://spdx.org/licenses/{known}"


def _file(event: Event, dataset: Dataset) -> dict[str, forms.Json] | None:
    """Return the file as on disk, if it is one."""
    subject = event.statement.subjects[0]
    digest = subject.digest.get("sha256")
    if digest is None:
        return None
    name = urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")
    url = signed_texts(dataset, "contentUrl").get("contentUrl", "")
    return {
        "@type": "cr:FileObject",
        "@id": "file",
        "name": subject.name,
        "contentUrl": url if _is_uri(url) else f"ni:///sha-256;{name}",
        "encodingFormat": _media_type(subject.name, dataset),
        "sha256": digest,
    }


def _media_type(name: str, dataset: Dataset) -> str:
    """Return what the metadata says that the file is, or else the name of a table."""
    signed = signed_texts(dataset, "encodingFormat").get("encodingFormat", "")
    if re.fullmatch(r"[\w.+-]+/[\w.+-]+", signed, re.ASCII):
        return signed
    ending = re.search(r"(\.[a-z]+)(\.gz)?\Z", name.lower())
    is_table = dataset.artifact.encoding.name == "json"
    return _FORMATS.get(ending[1], _UNKNOWN) if ending and is_table else _UNKNOWN


def _fields(dataset: Dataset) -> Iterator[dict[str, forms.Json]]:
    """Yield a field for each column of the file."""
    for column, kind in (dataset.schema or {}).items():
        found = _data_type(kind)
        if found is not None and column:
            # Dots alone would lead elsewhere: to the folder above, say.
            part = quote(column, safe="") if column.strip(".") else "%2E" * len(column)
            yield {
                "@type": "cr:Field",
                "@id": f"records/{part}",
                "name": column,
                **found,
                "source": {"fileObject": {"@id": "file"}, "extract": {"column": column}},
            }


def _data_type(kind: forms.Json) -> dict[str, forms.Json] | None:
    """Return what a field says of its type: of a list, the type within."""
    lists, rest = re.fullmatch(r"((?:list<)*)(.*)", str(kind), re.DOTALL).groups()  # type: ignore[union-attr]
    depth = len(lists) // len("list<")
    if not rest.endswith(">" * depth):
        return None
    plain = re.fullmatch(r"(\w+)(\[[^\]]*\])?", rest[: len(rest) - depth])
    found = _TYPES.get(plain[1]) if plain else None
    if found is None:
        return None
    shape: dict[str, forms.Json] = {"isArray": True, "arrayShape": ",".join(["-1"] * depth)}
    return {"dataType": found, **(shape if depth else {})}


def _artifact(event: Event, dataset: Dataset) -> dict[str, forms.Json]:
    """Return what the artifact digest is made of, every digest, and what was signed beside."""
    artifact = dataset.artifact
    described = {
        "source": dataset.source,
        "provider": dataset.provider,
        "collected": dataset.collected,
        "schema": dataset.schema,
    }
    return {
        "digest": {**event.statement.subjects[0].digest},
        "root": artifact.root.hex(),
        "size": artifact.size,
        "encoding": forms.encode(artifact.encoding),
        "sensitivity": dataset.sensitivity,
        **{name: value for name, value in described.items() if value is not None},
    }


def _statement(
    history: History, event: Event, dataset: Dataset, origin: str
) -> dict[str, forms.Json]:
    """Return where the signed statement is, and what became known of it later."""
    superseded = history.end(dataset.artifact.digest).superseded
    entry = entry_prefix(origin)
    return {
        "entry": f"{entry}{event.index}",
        "sha256": sha256(event.statement.to_bytes()).hexdigest(),
        "signers": [*event.signers],
        "revoked": [*event.revoked],
        **({} if superseded is None else {"superseded": f"{entry}{superseded}"}),
    }
