"""What a pipeline's owner writes: clean a table, train a model, record what it answers.

Run by scripts/demo in the folder of a ledger in which data/tumours.parquet is registered.
"""

import pickle
from pathlib import Path

import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import provenance

ledger = provenance.Ledger.open()

with ledger.step("split", inputs=["tumours-raw"], params={"every": 4}) as step:
    rows = pq.read_table("data/tumours.parquet").to_pylist()
    held_out = rows[::4]
    train = step.output([row for row in rows if row not in held_out], name="tumours-train")
    test = step.output(held_out, name="tumours-test")


def columns(rows: list[dict[str, float]]) -> list[list[float]]:
    return [[value for name, value in row.items() if name != "malignant"] for row in rows]


def answers(rows: list[dict[str, float]]) -> list[bool]:
    return [row["malignant"] for row in rows]


with ledger.step("train", inputs=[train], params={"model": "logistic regression"}) as step:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    learnt = [row for row in rows if row not in held_out]
    model.fit(columns(learnt), answers(learnt))
    Path("model").mkdir(exist_ok=True)
    Path("model/classifier.pickle").write_bytes(pickle.dumps(model))
    classifier = step.output("model", name="classifier", kind="model")

predictions = model.predict(columns(held_out))
with ledger.outputs(model=classifier, name="diagnoses") as out:
    for number, predicted in enumerate(predictions):
        out.record({"patient": number, "malignant": bool(predicted)})

right = sum(a == b for a, b in zip(predictions, answers(held_out), strict=True))
ledger.quality(
    classifier,
    metrics={"accuracy": right / len(held_out), "held_out": len(held_out)},
    criteria={"accuracy": ">= 0.9"},
)
print(f"trained on {train.size} patients, right about {right} of {test.size} others")
