// RFC 9162, section 2.1: hashes, inclusion and consistency, and roots grown leaf by leaf.
//
// Sizes go up to 2^53-1, beyond what JavaScript shifts: they are BigInt within.

const HASH_DIGITS = 64;
const EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** SHA-256(0x00 ‖ leaf) */
function leafHash(leaf) {
  const bytes = new Uint8Array(leaf.length + 1);
  bytes.set(leaf, 1);
  return sha256(bytes);
}

/** SHA-256(0x01 ‖ left ‖ right) */
const nodeHash = (left, right) => sha256(fromHex(`01${left}${right}`));

const bitLength = (number) => (number ? number.toString(2).length : 0);
const bitCount = (number) => number.toString(2).replaceAll("0", "").length;

/** Return how many hashes lead from leaf `index` to the root of `size` leaves. */
function pathLength(index, size) {
  const part = bitLength(BigInt(index) ^ BigInt(size - 1));
  return part + bitCount(BigInt(index) >> BigInt(part));
}

/**
 * Go from a leaf hash up a path of as many hashes as `pathLength` says.
 * Each step is the sibling, its side, and the node above, which is null without a leaf hash.
 */
async function climb(leaf, index, size, path) {
  let [fn, sn, node] = [BigInt(index), BigInt(size - 1), leaf];
  const steps = [];
  for (const hash of path) {
    const side = fn & 1n || fn === sn ? "left" : "right";
    if (side === "left") {
      while (!(fn & 1n) && fn) [fn, sn] = [fn >> 1n, sn >> 1n];
    }
    if (leaf !== null) node = await (side === "left" ? nodeHash(hash, node) : nodeHash(node, hash));
    steps.push({ hash, side, node });
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return steps;
}

/** Return the root that a climb from `leaf` ended at. */
const topOf = (leaf, steps) => (steps.length ? steps[steps.length - 1].node : leaf);

/** Check that a leaf hash is number `index` of `size` under `root` (section 2.1.3.2). */
async function checkInclusion({ leaf, index, size, path, root }) {
  if (!(0 <= index && index < size && size <= MAX_INTEGER)) {
    throw new Failure(`no leaf ${index} in a tree of ${size}`);
  }
  const expected = pathLength(index, size);
  if (path.length !== expected) {
    throw new Failure(
      `the path has ${path.length} hashes; leaf ${index} of ${size} has ${expected}`,
    );
  }
  checkHashes([leaf, root, ...path]);
  const found = topOf(leaf, await climb(leaf, index, size, path));
  if (found !== root) throw new Failure(`the path leads to the root ${found}, not ${root}`);
}

/** Check that one tree is a prefix of another (section 2.1.4.2). */
async function checkConsistency({ oldSize, oldRoot, size, root, path }) {
  if (!(1 <= oldSize && oldSize <= size && size <= MAX_INTEGER)) {
    throw new Failure(`no consistency proof leads from size ${oldSize} to ${size}`);
  }
  checkHashes([oldRoot, root, ...path]);
  if (oldSize === size) {
    if (path.length) throw new Failure("a proof between equal sizes has no hashes");
    if (oldRoot !== root) throw new Failure(`two roots at size ${size}: ${oldRoot} and ${root}`);
    return;
  }
  if (!path.length) throw new Failure(`an empty proof from size ${oldSize} to ${size}`);
  let [fn, sn] = [BigInt(oldSize) - 1n, BigInt(size) - 1n];
  const [first, ...rest] = bitCount(BigInt(oldSize)) === 1 ? [oldRoot, ...path] : path;
  while (fn & 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  let [old, found] = [first, first];
  for (const hash of rest) {
    if (!sn) throw new Failure("the proof has too many hashes");
    if (fn & 1n || fn === sn) {
      old = await nodeHash(hash, old);
      found = await nodeHash(hash, found);
      while (!(fn & 1n) && fn) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      found = await nodeHash(found, hash);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  if (sn) throw new Failure("the proof has too few hashes");
  if (old !== oldRoot) throw new Failure(`the proof leads to the old root ${old}, not ${oldRoot}`);
  if (found !== root) throw new Failure(`the proof leads to the root ${found}, not ${root}`);
}

function checkHashes(hashes) {
  for (const hash of hashes) {
    if (hash.length !== HASH_DIGITS) {
      throw new Failure(`a hash of ${hash.length / 2} bytes instead of 32`);
    }
  }
}

/** The roots of the largest complete subtrees over the leaves so far: a compact range from 0. */
class Frontier {
  size = 0;
  subtrees = []; // [leaves, root], the largest first

  async append(leaf) {
    let [count, hash] = [1, leaf];
    while (this.subtrees.length && this.subtrees[this.subtrees.length - 1][0] === count) {
      hash = await nodeHash(this.subtrees.pop()[1], hash);
      count *= 2;
    }
    this.subtrees.push([count, hash]);
    this.size++;
  }

  async root() {
    let found = null;
    for (const [, hash] of [...this.subtrees].reverse()) {
      found = found === null ? hash : await nodeHash(hash, found);
    }
    return found ?? EMPTY_ROOT;
  }
}
