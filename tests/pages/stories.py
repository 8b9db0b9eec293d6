"""Histories of every shape, told to a real ledger; and their pictures, as markup."""

from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

from api.pages.picture import picture
from provenance.log.submission import Submission
from provenance.records import ARTIFACT_DIGEST, JSON
from provenance.records import Artifact as Records
from provenance.signing import sign
from provenance.statements import (
    ArtifactRef,
    Dataset,
    Model,
    Outputs,
    Statement,
    Step,
    Subject,
)

TIME = "2026-06-01T00:00:00Z"
KINDS = {"dataset": Dataset, "model": Model, "outputs": Outputs}


def records(name):
    return Records(root=sha256(name.encode()).digest(), size=3, encoding=JSON)


def digest(name):
    return records(name).digest


class Story:
    """Statements for a ledger, in order; `tell` signs and appends them all."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.statements = []

    def add(self, subjects, form, **more):
        predicate = form(**self.ledger.journal.stamp(), **more)
        self.statements.append(
            Statement(
                subjects=tuple(map(self._subject, subjects)) or (predicate.run,),
                predicate=predicate,
            )
        )
        return self

    @staticmethod
    def _subject(name):
        return Subject(name=name, digest={ARTIFACT_DIGEST: digest(name).hex()})

    @staticmethod
    def reference(name):
        return ArtifactRef(name=name, digest={ARTIFACT_DIGEST: digest(name).hex()})

    def register(self, *names, kind="dataset"):
        for name in names:
            self.add([name], KINDS[kind], artifact=records(name))
        return self

    def outputs(self, name, model):
        return self.add([name], Outputs, artifact=records(name), model=self.reference(model))

    def step(self, name, inputs, made, *, error=None, **more):
        return self.add(
            made,
            Step,
            name=name,
            inputs=tuple(map(self.reference, inputs)),
            started=TIME,
            finished=TIME,
            outcome="failed" if error else "succeeded",
            error=error,
            **more,
        )

    def supersede(self, old, new=None):
        self.tell()
        new = new and digest(new).hex()
        self.ledger.supersede(digest(old).hex(), new, reason="mislabelled")
        return self

    def tell(self, *keys):
        signers = keys or self.ledger.journal.signers
        self.ledger.journal.append_all(
            Submission(sign(statement.to_bytes(), signers), statement)
            for statement in self.statements
        )
        self.statements = []
        return self


def link(artifact):
    return f"/artifacts/{artifact.hex()}"


def entry(index):
    return f"/entries/{index}"


def more(more):
    asked = {"history": more.history, "descendants": more.descendants, "opened": more.opened}
    query = "&".join(f"{name}={value}" for name, value in asked.items() if value)
    return f"/artifacts/{more.artifact.hex()}" + (f"?{query}" if query else "")


def drawn(ledger, history, descendants=None, **asked):
    return picture(
        history,
        descendants,
        link=link,
        entry=entry,
        more=more,
        kinds=ledger.kinds,
        verdicts=ledger.verdicts,
        **asked,
    )


TEMPLATES = Environment(
    loader=PackageLoader("api.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def markup(picture):
    return str(TEMPLATES.get_template("picture.html").module.drawn_history(picture))
