// What the reader has at hand, a record or a file, held against what was signed.
//
// A proof says where a record is, not which: the leaf hash comes from the reader's own bytes.

/**
 * Compare: {mark, finding, leaves}; `leaves` has the leaf hash that each proof is shown for, or null.
 */
async function compare({ record, leafHashes, file, onProgress }, artifact, digests, proofs) {
  const { encoding } = artifact;
  const nothing = proofs.map(() => null);
  if (record === null && leafHashes === null && file === null) {
    const hint = proofs.length ? "; give the record to have it checked" : "";
    return {
      mark: "NOT_DEMANDED",
      finding: `nothing was given to compare${hint}`,
      leaves: nothing,
    };
  }
  if (!proofs.length) {
    if (file === null) refuse("the bundle proves no record: make one with `provenance prove`");
    return { ...(await compareWhole(file, artifact, digests, onProgress)), leaves: nothing };
  }
  if (leafHashes !== null) return compareAll(leafHashes, proofs, artifact);
  if (record !== null) {
    const leaf = (await hashRecord(record, encoding)).leafHash;
    return found([["the record", leaf]], proofs, artifact);
  }
  if (encoding.encoding === "file")
    return found(await fileLeaves(file, encoding), proofs, artifact);
  const leaves = [];
  for await (const [leaf, done] of leafHashesOf(file, encoding)) {
    leaves.push(leaf);
    onProgress?.(done, file.size);
    if (leaves.length > proofs.length) break;
  }
  return compareAll(leaves, proofs, artifact);
}

async function compareWhole(file, artifact, digests, onProgress) {
  const measured = await hashFile(file, { encoding: artifact.encoding, onProgress });
  if (measured.digest !== artifact.digest) {
    refuse(
      `${measured.size} records with root ${measured.root}; signed are ${artifact.size} with root ` +
        artifact.root,
    );
  }
  const signed = digests.get("sha256");
  let again = "";
  if (signed !== undefined && measured.sha256 === null) {
    again = "; its plain sha256 was not compared, the file is too large for a browser to hold";
  } else if (signed !== undefined && measured.sha256 !== signed) {
    again = "; file re-encoded";
  }
  return { mark: "HOLDS", finding: `all ${artifact.size} records, recomputed${again}` };
}

/** Return [name, leaf hash] of one file for every end of its path, as far as a browser tells it. */
async function fileLeaves(file, { digest }) {
  if (digest !== "sha256")
    throw new InputError(`a browser has no ${digest}: give the file's record`);
  const value = await plainSha256(file);
  if (value === null) throw new InputError(`${nameOf(file)} is too large: give its record`);
  const parts = (file.webkitRelativePath || file.name || "").split("/").filter(Boolean);
  const ends = parts.map((_, at) => parts.slice(parts.length - 1 - at).join("/"));
  const members = (path) => [
    ["path", path],
    [digest, value],
    ["size", file.size],
  ];
  const leaf = async (path) => leafHash(utf8(canonical(new Map(members(path)))));
  return Promise.all(ends.map(async (path) => [`the file ${quoted(path)}`, await leaf(path)]));
}

/** Find which of some named leaf hashes one of the proofs is of. */
async function found(named, proofs, artifact) {
  let failure = "nothing was given that could be a record";
  for (const [what, leaf] of named) {
    for (const [at, { index, path }] of proofs.entries()) {
      try {
        await checkInclusion({ leaf, index, size: artifact.size, path, root: artifact.root });
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failure = `${what} is not number ${index} of ${artifact.size}: ${error.message}`;
        continue;
      }
      const leaves = proofs.map((_, other) => (other === at ? leaf : null));
      return { mark: "HOLDS", finding: `${what} is number ${index} of ${artifact.size}`, leaves };
    }
  }
  if (proofs.length > 1)
    failure = `it is none of the ${proofs.length} records that the bundle proves`;
  return refuse(failure);
}

/** Check that the proofs are of these leaf hashes, one by one. */
async function compareAll(leaves, proofs, { root, size }) {
  if (leaves.length !== proofs.length) {
    const given = leaves.length > proofs.length ? "more" : `only ${leaves.length}`;
    refuse(`the bundle proves ${proofs.length} records, and ${given} were given`);
  }
  for (const leaf of leaves) {
    if (!/^[0-9a-f]{64}$/.test(leaf)) refuse(`not a leaf hash: ${quotedName(leaf)}`);
  }
  for (const { index, path } of proofs) {
    if (!(index < size) || path.length !== pathLength(index, size)) {
      refuse(`no path of ${path.length} hashes leads from leaf ${index} of ${size}`);
    }
  }
  for (const [at, { index, path }] of proofs.entries()) {
    const found = topOf(leaves[at], await climb(leaves[at], index, size, path));
    if (found !== root) {
      refuse(
        "the records are not those that the bundle proves, in its order: " +
          `the path of leaf ${index} leads to the root ${found}, not ${root}`,
      );
    }
  }
  const numbers = proofs.slice(0, 5).map(({ index }) => index);
  const listed = numbers.join(", ") + (proofs.length > 5 ? ", …" : "");
  const what = proofs.length === 1 ? "the record is number" : "the records are numbers";
  return { mark: "HOLDS", finding: `${what} ${listed} of ${size}`, leaves };
}
