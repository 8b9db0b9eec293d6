"""What is said about artifacts: in-toto Statements with a typed predicate for each kind.

- `statement`: the Statement, and which predicate belongs to which kind
- `resources`: how a statement names artifacts
- `predicates`, `key`: what it says
- `criteria`: metrics against criteria
- `schemas`: the same as JSON Schema

Nothing here signs; `provenance.signing` does.
"""

from provenance.statements.criteria import judge, measured
from provenance.statements.key import Account, Key, key_subject
from provenance.statements.predicates import (
    NONCE_SIZE,
    Access,
    Code,
    Dataset,
    Kind,
    Model,
    Outputs,
    Predicate,
    Quality,
    Review,
    Sensitivity,
    Step,
    Supersede,
    Verdict,
    run_digest,
)
from provenance.statements.resources import RUN_DIGEST, ArtifactRef, Evidence, Subject
from provenance.statements.schemas import schema_for
from provenance.statements.statement import (
    KIND_NUMBERS,
    MAX_ARTIFACTS,
    PREDICATES,
    Statement,
    predicate_type,
)

__all__ = [
    "KIND_NUMBERS",
    "MAX_ARTIFACTS",
    "NONCE_SIZE",
    "PREDICATES",
    "RUN_DIGEST",
    "Access",
    "Account",
    "ArtifactRef",
    "Code",
    "Dataset",
    "Evidence",
    "Key",
    "Kind",
    "Model",
    "Outputs",
    "Predicate",
    "Quality",
    "Review",
    "Sensitivity",
    "Statement",
    "Step",
    "Subject",
    "Supersede",
    "Verdict",
    "judge",
    "key_subject",
    "measured",
    "predicate_type",
    "run_digest",
    "schema_for",
]
