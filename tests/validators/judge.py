"""What the standards' own libraries say of documents, one JSON line in, one out.

Run by the fixture `judge` in the environment that `scripts/validators` makes: there are their
packages, and nothing of ours.

::

    {"croissant": {…}}                                  → {"warnings": […]}
    {"croissant": {…}, "file": "rows.csv"}              → {"warnings": […], "records": […]}
    {"cyclonedx": {…}}                                  → {}
    {"model_signature": "clf.sig", "model": "clf", "key": "public.pem", …}    → {}
    {"sign": "clf.sig", "model": "clf", "key": "private.pem", "options": {…}} → {}

or ``{"error": "…"}`` where the library refuses it.
"""

import json
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path


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


def model_signature(signature, model, key, symlinks):
    import model_signing

    hashing = model_signing.hashing.Config().set_allow_symlinks(symlinks)
    verifying = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=Path(key))
    if symlinks:  # which it does not take from the signature
        verifying.set_hashing_config(hashing)
    verifying.verify(Path(model), Path(signature))
    return {}


def sign(signature, model, key, options):
    import model_signing

    hashing = model_signing.hashing.Config().set_ignored_paths(paths=options.get("ignore", ()))
    if "shards" in options:
        hashing.use_shard_serialization(shard_size=options["shards"])
    elif "algorithm" in options:
        hashing.use_file_serialization(hashing_algorithm=options["algorithm"])
    signing = model_signing.signing.Config().set_hashing_config(hashing)
    if "certificate" in options:
        signing.use_certificate_signer(
            private_key=key,
            signing_certificate=options["certificate"],
            certificate_chain=[Path(options["certificate"])],
        )
    else:
        signing.use_elliptic_key_signer(private_key=key)
    signing.sign(Path(model), Path(signature))
    return {}


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main()
