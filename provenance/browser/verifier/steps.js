// The steps from the bundle to its anchors. Each leaves what it established in `run` for the next,
// returns its mark and what it saw, and fails by throwing a `Failure`.

const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// --- bundle · checkpoint · witnesses -------------------------------------------------------------

async function checkBundle(run) {
  const value = parseJson(run.data, "the bundle", RULES.limits.bundle);
  const proofs = value instanceof Map ? value.get("records") : null;
  if (Array.isArray(proofs) && proofs.length > RULES.limits.records) {
    refuse(`the bundle proves more than ${grouped(RULES.limits.records)} records`);
  }
  run.bundle = decode({ form: "Bundle" }, value, "the bundle");
  run.policy = run.named ?? (await claimedPolicy(run.bundle));
  const { records, anchors } = run.bundle;
  const what = ["an artifact", "a record"][records.length] ?? `${records.length} records`;
  return ["HOLDS", `proves ${what}, with ${plural(anchors.length, "anchor")}`];
}

async function checkCheckpoint(run) {
  const { policy } = run;
  run.note = await openNote(run.bundle.checkpoint, [
    ...policy.logVerifiers,
    ...policy.witnessVerifiers,
  ]);
  run.checkpoint = parseCheckpoint(run.note.text);
  const { origin, size } = run.checkpoint;
  if (origin !== policy.origin) {
    refuse(`of the log ${quoted(origin)}; the policy names ${quoted(policy.origin)}`);
  }
  if (!run.note.signatures.some(({ verifier }) => policy.logVerifiers.includes(verifier))) {
    refuse("not signed by a log key of the policy");
  }
  return ["HOLDS", `${origin} at ${size} entries`];
}

async function checkWitnesses({ policy, note }) {
  if (!policy.witnesses.length) return ["NOT_DEMANDED", "the policy names none"];
  const count = witnessCount(policy, note);
  const finding = `${count} of ${policy.witnesses.length} named witnesses cosigned`;
  return [count ? "HOLDS" : "NOT_DEMANDED", finding];
}

/** How many of the policy's witnesses, by distinct keys, cosigned the checkpoint. */
function witnessCount(policy, note) {
  const cosigned = note.signatures.filter(({ time }) => time !== null);
  return new Set(cosigned.map(({ verifier }) => verifier.key.keyid)).size;
}

// --- entry · envelope · signature · statement ----------------------------------------------------

async function checkEntry(run) {
  run.entry = await checkLogged(run, run.bundle.statement);
  return ["HOLDS", `entry ${run.bundle.statement.index} of ${run.checkpoint.size}`];
}

/** Check that an envelope's entry is in the log, and return it. */
async function checkLogged({ checkpoint }, { envelope, entry: bytes, index, path }) {
  const entry = parseEntry(bytes);
  const { size, root } = checkpoint;
  await checkInclusion({ leaf: await leafHash(bytes), index, size, path, root });
  if ((await sha256(envelope)) !== entry.envelopeHash) {
    refuse(`entry ${index} is of another envelope`);
  }
  return entry;
}

async function checkEnvelope(run) {
  run.envelope = parseEnvelope(run.bundle.statement.envelope);
  return ["HOLDS", `DSSE with ${plural(run.envelope.signatures.length, "signature")}`];
}

async function checkSigners(run) {
  const { policy, entry } = run;
  const allowed = policy.signers.filter(({ kinds }) => !kinds.length || kinds.includes(entry.kind));
  run.signers = await verifiedBy(
    run.envelope,
    allowed.map(({ key }) => key),
  );
  if (run.signers.size < policy.threshold) {
    refuse(
      `signed by ${run.signers.size} of the policy's signers who may sign statements of kind ` +
        `${quoted(entry.kind)}; ${policy.threshold} needed`,
    );
  }
  return [
    "HOLDS",
    `by ${signersOf(run)
      .map(({ name }) => name)
      .join(", ")}`,
  ];
}

/** The policy's signers whose signatures count. */
const signersOf = ({ policy, signers }) =>
  policy.signers.filter(({ key }) => signers.has(key.keyid));

async function checkStatement(run) {
  run.statement = await parseStatement(run.envelope.payload);
  checkMatches(run.entry, run.statement);
  const { kind, described, predicate, subjects } = run.statement;
  if (!described) refuse(`of kind ${quoted(kind)}, which describes no artifact`);
  run.artifact = { ...predicate.artifact, digest: artifactOf(subjects[0]) };
  const { size, encoding } = run.artifact;
  const finding = `${kind} ${quoted(subjects[0].name)}: ${size} records, encoding ${encoding.encoding}`;
  return ["HOLDS", finding];
}

function checkMatches(entry, { kind, artifacts }) {
  if (entry.kind !== kind || entry.artifacts.join() !== artifacts.join()) {
    refuse("the entry names other artifacts or another kind");
  }
}

// --- record · anchor -----------------------------------------------------------------------------

async function checkRecord(run) {
  const { digest } = run.statement.subjects[0];
  const compared = await compare(run.atHand, run.artifact, digest, run.bundle.records);
  run.leaves = compared.leaves;
  return [compared.mark, compared.finding];
}

async function checkAnchors(run) {
  const { policy, checkpoint } = run;
  const { index } = run.bundle.statement;
  [run.anchored, run.outOfReach] = [[], []];
  const asked = new Set();
  const seen = [];
  for (const { anchor, consistency: path } of run.bundle.anchors) {
    if (anchor.size <= index) {
      refuse(`the anchor at ${anchor.size} entries does not cover entry ${index}`);
    }
    const { size, root } = checkpoint;
    await checkConsistency({ oldSize: anchor.size, oldRoot: anchor.root, size, root, path });
    const pin = pinOf(policy, anchor);
    if (!pin) continue;
    if (asked.has(pin)) refuse(`two anchors on chain ${quoted(pin.name)}; one dates the entry`);
    asked.add(pin);
    seen.push(await lookAt(run, anchor, pin));
  }
  if (!seen.length) {
    const why = run.bundle.anchors.length ? "none on a chain that the policy names" : "none";
    return ["NOT_DEMANDED", why];
  }
  run.anchored.sort((one, other) => one.blockTime - other.blockTime);
  return [run.anchored.length ? "HOLDS" : "UNDECIDED", seen.join("; ")];
}

const pinOf = (policy, { chainId, contract, ledgerId }) =>
  policy.chains.find(
    (pin) => pin.chainId === chainId && pin.contract === contract && pin.ledgerId === ledgerId,
  );

async function lookAt(run, anchor, pin) {
  const reader = run.readers.get(pin.name);
  const [name, block] = [quoted(pin.name), anchor.block];
  let facts;
  try {
    if (!reader) {
      const why = pin.embedded
        ? "out of reach, it is a file beside its ledger"
        : "no way to reach it is configured: name a node of it";
      throw new ChainError(why);
    }
    facts = await checkAnchor(anchor, pin, reader);
  } catch (error) {
    if (!(error instanceof ChainError)) throw error;
    if (dates(run.policy, pin)) run.outOfReach.push(pin.name);
    return `chain ${name}: ${error.message}`;
  }
  run.anchored.push({ pin, anchor, ...facts, dates: dates(run.policy, pin) });
  const seen = plural(facts.confirmations, "confirmation");
  const worth = pin.embedded ? " (embedded chain: worth as much as this machine)" : "";
  return `block ${block} of chain ${name}, ${moment(facts.blockTime)} UTC, ${seen}${worth}`;
}

const moment = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 19).replace("T", " ");
