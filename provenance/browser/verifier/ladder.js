// The ladder: every hash on the way from a record to a chain, as far as the steps came.

/**
 * Return {records, artifact, statement, entry, checkpoint, anchors}; each is null until the step that
 * checks it held. Hashes and bytes are hex digits; a path is [{hash, side, node}] from the leaf up, `node` the
 * hash above, computed from what is below.
 */
async function ladderOf(run) {
  const reached = (step, make) => (run.reached.has(step) ? make() : null);
  return {
    records: await reached("record", () => recordRungs(run)),
    artifact: await reached("statement", () => artifactRung(run)),
    statement: await reached("statement", () => statementRung(run)),
    entry: await reached("entry", () => entryRung(run)),
    checkpoint: reached("checkpoint", () => ({ ...run.checkpoint, note: run.bundle.checkpoint })),
    anchors: reached("anchor", () => anchorRungs(run)),
  };
}

function recordRungs({ bundle, leaves, artifact }) {
  const shown = bundle.records.map(({ index, path }, at) => ({ index, path, leaf: leaves[at] }));
  return Promise.all(
    // A proof of no record that is at hand was not checked: its length may be wrong.
    shown.map(async ({ index, path, leaf }) => ({
      index,
      leafHash: leaf,
      path: leaf === null ? [] : await climb(leaf, index, artifact.size, path),
    })),
  );
}

async function artifactRung({ artifact, statement }) {
  const encoding = encodingText(artifact.encoding);
  const { digest, root, size } = artifact;
  return {
    kind: statement.kind,
    name: statement.subjects[0].name,
    sensitivity: statement.predicate.sensitivity,
    digest,
    root,
    size,
    encoding,
    encodingHash: await sha256(utf8(encoding)),
  };
}

async function statementRung(run) {
  const { envelope } = run.bundle.statement;
  return {
    envelope: await sha256(envelope),
    payload: await sha256(run.envelope.payload),
    issued: run.statement.predicate.issued,
    signers: signersOf(run).map(({ name, key }) => ({ name, keyid: key.keyid })),
  };
}

async function entryRung({ bundle, checkpoint }) {
  const { entry, index, path } = bundle.statement;
  const leaf = await leafHash(entry);
  return {
    index,
    bytes: toHex(entry),
    leafHash: leaf,
    path: await climb(leaf, index, checkpoint.size, path),
  };
}

/** The anchors on chains of the policy; `holds` is null where the chain was out of reach. */
function anchorRungs({ bundle, policy, anchored }) {
  return bundle.anchors.flatMap(({ anchor, consistency }) => {
    const pin = pinOf(policy, anchor);
    if (!pin) return [];
    const seen = anchored.find((each) => each.pin === pin);
    return {
      ...anchor,
      chain: pin.name,
      embedded: pin.embedded,
      consistency,
      holds: seen ? true : null,
      time: seen ? moment(seen.blockTime) : null,
      confirmations: seen?.confirmations ?? null,
      final: seen?.final ?? null,
    };
  });
}
