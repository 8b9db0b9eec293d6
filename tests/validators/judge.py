"""What the standards' own libraries say of documents, one JSON line in, one out.

Run by the fixture `judge` in the environment that `scripts/validators` makes: there are their
packages, and nothing of ours.

::

    {"croissant": {…}}                                  → {"warnings": […]}
    {"croissant": {…}, "file": "rows.csv"}              → {"warnings": […], "records": […]}
    {"cyclonedx": {…}}                                  → {}

or ``{"error": "…"}`` where the library refuses it.
"""

import json
import sys
import traceback
from contextlib import redirect_stdout


def main():
    answers = sys.stdout
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            with redirect_stdout(sys.stderr):
                answer = globals()[next(iter(asked))](*asked.values())
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def croissant(document, file=None):
    import mlcroissant

    mapping = {} if file is None else {"file": file}
    dataset = mlcroissant.Dataset(document, mapping=mapping)
    answer = {"warnings": sorted(dataset.metadata.ctx.issues.warnings)}
    if file is not None:
        records = dataset.records("records")
        answer["records"] = [{key: text(record[key]) for key in record} for record in records]
    return answer


def cyclonedx(document):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    version = SchemaVersion.from_version(document["specVersion"])
    problem = JsonStrictValidator(version).validate_str(json.dumps(document))
    return {} if problem is None else {"error": repr(problem)}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
