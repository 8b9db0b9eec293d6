"""python derive.py root|prove|check|diff NAME FOLDER: derivations between trees of one folder.

``NAME`` is that of the targets' trees: NAME.0.tree, NAME.1.tree …; the source is source.tree, and
the other way round for a concatenation. `root` computes the root of the source anew.
"""

import json
import sys
import threading
import time
from pathlib import Path

from trees import resident

from provenance.derivation import check_derivation
from provenance.derivation.columns import Column, Version
from provenance.derivation.difference import compare
from provenance.derivation.proof import Header
from provenance.derivation.proving import prove_derivation
from provenance.merkle import CompactRange, Tree
from provenance.records import JSON, Artifact


def version(path):
    tree = Tree.open(path)
    return Version(Artifact(root=tree.root, size=tree.size, encoding=JSON), tree)


def root_of(tree):
    grown = CompactRange()
    for block in Column([tree]).blocks():
        grown.extend(block)
    assert grown.root() == tree.root


def main(what, name, folder):
    source, proof = version(folder / "source.tree"), folder / f"{name}.proof"
    parts = [version(path) for path in sorted(folder.glob(f"{name}.?.tree"))]
    sides = [source], parts
    if name.startswith("concatenation"):
        sides = parts, [source]
    if what == "check":
        with proof.open("rb") as file:
            claim = Header.parse(file.readline()[:-1]).derivation
    calls = {
        "root": lambda: root_of(source.tree),
        "prove": lambda: prove_derivation(*sides, proof),
        "check": lambda: check_derivation(proof, claim),
        "diff": lambda: compare(source, parts[0], folder),
    }
    size, before, done, most = source.tree.size, resident("RssAnon"), threading.Event(), []

    def watch():
        while before is not None and not done.wait(0.02):
            most.append(resident("RssAnon"))  # mapped files are in the cache, whoever reads them

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin, used = time.perf_counter(), time.process_time()
    calls[what]()
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    done.set()
    watcher.join()
    said = {"parts": {"": [size, seconds], "processor": [size, processor]}}
    if what == "prove":
        said["bytes"] = proof.stat().st_size
    if before is not None:
        said["memory"] = max([before, *most]) - before
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
