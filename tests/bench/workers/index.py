"""python index.py TREE: the index of a tree file, beside it, whole and durable."""

import json
import sys
import time
from pathlib import Path

from provenance.merkle import Tree
from provenance.merkle.index import write_index


def main(path):
    tree, target = Tree.open(path), path.with_suffix(".index")
    begin, used = time.perf_counter(), time.process_time()
    write_index(tree, path.parent, target)
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    parts = {"": [tree.size, seconds], "processor": [tree.size, processor]}
    print(json.dumps({"parts": parts, "bytes": target.stat().st_size / tree.size}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
