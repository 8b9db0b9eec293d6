// The verifier: one list of steps, from the bytes of a bundle to a verdict, as
// `provenance.verification.verifier` has it.
//
// Nothing inside a bundle is trusted. The first step that fails ends the list; one that cannot be
// decided does not. A step may rest only on the policy, on what the reader brought and on the steps
// before it.

const STEPS = {
  bundle: checkBundle,
  checkpoint: checkCheckpoint,
  witnesses: checkWitnesses,
  entry: checkEntry,
  envelope: checkEnvelope,
  signature: checkSigners,
  statement: checkStatement,
  record: checkRecord,
  anchor: checkAnchors,
  standing: checkStanding,
  policy: checkPolicy,
};

/**
 * Verify a bundle.
 *
 * `bundle` and `policy` are bytes; without a policy nobody is vouched for. `record` is a record as
 * it is typed, `leafHashes` those of all records that the bundle proves, or `file` a Blob: what the
 * bundle is said to be about. `rpc` has the URL of a node for names of the policy's chains.
 * `onStep(check)` and `onProgress(bytes read, bytes)` are told.
 *
 * Returns {verified, step, origin, policy, steps, warnings, ladder}: true, false, or null where it is
 * undecided; the step that fails or is undecided; the log; the fingerprint of the policy; each
 * {step, mark, finding}; and every hash on the way, computed here (`ladderOf`).
 *
 * Throws InputError where policy, record or file cannot be used, UnsupportedError where the browser
 * lacks what it takes.
 */
async function verify({
  bundle,
  policy = null,
  record = null,
  leafHashes = null,
  file = null,
  rpc = {},
  onStep = null,
  onProgress = null,
}) {
  const named = { "a record": record, "leaf hashes": leafHashes, "a file": file };
  const given = Object.keys(named).filter((what) => named[what] !== null);
  if (given.length > 1) throw new InputError(`give ${given.join(" or ")}: one of them is checked`);
  const readers = new Map(Object.entries(rpc).map(([name, url]) => [name, new RpcReader(url)]));
  const trusted = policy === null ? null : await asInput(() => parsePolicy(policy));
  const atHand = { record, leafHashes, file, onProgress };
  const run = { data: bundle, named: trusted, atHand, readers, warnings: [], reached: new Set() };
  const steps = [];
  for (const [step, check] of Object.entries(STEPS)) {
    const { mark, finding } = await outcome(check, run);
    steps.push({ step, mark: RULES.marks[mark], finding });
    onStep?.(steps[steps.length - 1]);
    if (mark === "FAILS") return report(run, steps, false, step);
    run.reached.add(step);
  }
  const undecided = steps.find(
    ({ step, mark }) => ["standing", "policy"].includes(step) && mark === RULES.marks.UNDECIDED,
  );
  return undecided ? report(run, steps, null, undecided.step) : report(run, steps, true, null);
}

async function outcome(check, run) {
  try {
    const [mark, finding] = await check(run);
    return { mark, finding };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { mark: "FAILS", finding: error.message };
  }
}

async function report(run, steps, verified, step) {
  const { named, policy, warnings } = run;
  const origin = run.reached.has("checkpoint") ? run.checkpoint.origin : (policy?.origin ?? null);
  const fingerprint = named?.fingerprint ?? null;
  const ladder = await ladderOf(run);
  return { verified, step, origin, policy: fingerprint, steps, warnings, ladder };
}
