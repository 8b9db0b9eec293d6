"""Statements about artifacts: what is said of data that is registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from provenance import forms
from provenance.errors import InputError
from provenance.ledger.desk import Stamp
from provenance.records import ARTIFACT_DIGEST, Artifact
from provenance.statements import Dataset, Model, Outputs, Sensitivity, Statement, Subject
from provenance.statements.predicates import Described

__all__ = ["describe", "same_claims"]

_FORMS: dict[str, type[Described]] = {"dataset": Dataset, "model": Model, "outputs": Outputs}


def describe(
    kind: str,
    name: str,
    stamp: Stamp,
    artifact: Artifact,
    digests: Mapping[str, str],
    schema: Mapping[str, str] | None,
    *,
    claims: Mapping[str, Any],
    sensitivity: Sensitivity,
    metadata: dict[str, forms.Json],
) -> Statement:
    """Return the statement of `kind` about `artifact`.

    Raises:
        InputError: an unknown kind, or a claim that statements of this kind have no place for.
    """
    form = _FORMS.get(kind)
    if form is None:
        raise InputError(f"nothing is registered as {kind!r}: there are {', '.join(_FORMS)}")
    known = {field.name for field in fields(form)}
    given = {claim: value for claim, value in claims.items() if value is not None}
    for claim in given:
        if claim not in known:
            raise InputError(f"{name!r} is of kind {kind!r}, which has no {claim}")
    if schema is not None and "schema" in known:
        given["schema"] = dict(schema)
    predicate = form(
        **stamp, artifact=artifact, sensitivity=sensitivity, metadata=metadata, **given
    )
    subject = Subject(name=name, digest={ARTIFACT_DIGEST: artifact.digest_hex, **digests})
    return Statement(subjects=(subject,), predicate=predicate)


def same_claims(known: Statement, new: Statement) -> bool:
    """Say whether two statements differ in nonce and time at most."""
    predicate = replace(new.predicate, nonce=known.predicate.nonce, issued=known.predicate.issued)
    return known == replace(new, predicate=predicate)
