// The last two steps: which signatures count, and whether what the policy demands is there.

async function checkStanding(run) {
  const { policy, checkpoint, signers, warnings } = run;
  await applyListed(run, (run.standing = new Standing(policy.admins)));
  run.doubtful = new Set();
  const [earliest] = run.anchored.filter((anchored) => anchored.dates);
  for (const keyid of [...signers].sort()) {
    let reason = run.standing.whyNot(keyid, run.statement.kind, run.bundle.statement.index);
    const since = run.standing.compromisedSince(keyid);
    if (reason === null && since !== null) {
      if (earliest && BigInt(earliest.blockTime) * 1000000n < since.moment) continue;
      reason = `key ${keyid.slice(0, 16)} is compromised since ${since.shown} UTC`;
      if (run.outOfReach.length) run.doubtful.add(keyid);
    }
    if (reason === null) continue;
    signers.delete(keyid);
    warnings.push(reason);
  }
  if (signers.size + run.doubtful.size < policy.threshold) refuse(warnings.join("; "));
  const superseded = run.standing.superseded.get(run.artifact.digest);
  if (superseded) {
    const by = superseded.replacement ? ` by ${quoted(superseded.replacement)}` : "";
    warnings.push(`superseded${by} at entry ${superseded.index}: ${quoted(superseded.reason)}`);
  }
  const finding = `known up to entry ${checkpoint.size - 1}, as far as the prover lists`;
  if (signers.size < policy.threshold) {
    return ["UNDECIDED", `${warnings.join("; ")}; and its anchor cannot be checked`];
  }
  if (policy.standing === "scanned") {
    return ["UNDECIDED", `${finding}; the policy wants every entry scanned`];
  }
  return ["HOLDS", finding + (superseded ? "; superseded" : "")];
}

/** Take in the key and supersede entries that the prover lists. */
async function applyListed(run, standing) {
  const listed = run.bundle.standing;
  if (listed.some(({ index }, at) => at && listed[at - 1].index >= index)) {
    refuse("the bundle does not list each entry once, in the order of the log");
  }
  for (const logged of listed) logged.parsed = await checkLogged(run, logged);
  for (const { index, envelope: bytes, parsed: entry } of listed) {
    const envelope = parseEnvelope(bytes);
    const statement = await parseStatement(envelope.payload);
    checkMatches(entry, statement);
    if (statement.kind === "supersede" && run.artifact.digest !== entry.artifacts[0]) continue;
    const signers = await standing.signers(envelope);
    try {
      await standing.apply(index, statement, signers, run.signers);
    } catch (error) {
      if (!(error instanceof StandingError) || statement.kind === "key") throw error;
      // Somebody else may have signed for the same artifact, and may correct his own word.
      run.warnings.push(`${error.message}: passed over`);
    }
  }
}

async function checkPolicy({
  named,
  policy,
  statement,
  signers,
  doubtful,
  note,
  anchored,
  outOfReach,
}) {
  if (named === null) return ["UNDECIDED", "consistent, but vouched for by nobody you named"];
  const level = levelOf(policy, statement.predicate.sensitivity);
  const demand = demandOf(policy, level);
  const wanted = Math.max(demand.signers, policy.threshold);
  if (signers.size + doubtful.size < wanted) {
    refuse(`${quoted(level)} demands ${wanted} signers; ${signers.size} of them count`);
  }
  const witnesses = witnessCount(policy, note);
  if (witnesses < demand.witnesses) {
    refuse(
      `${quoted(level)} demands ${demand.witnesses} of the ${policy.witnesses.length} witnesses that ` +
        `the policy names; ${witnesses} cosigned`,
    );
  }
  const dating = anchored.filter((each) => each.dates);
  const final = dating.filter((each) => each.final !== false);
  const isDated = demand.final ? final.length > 0 : dating.length > 0 || !demand.anchored;
  if (!isDated && !outOfReach.length) {
    const what = dating.length
      ? "a final anchor: wait until the block is final"
      : "an anchor: run `provenance anchor`, then prove again";
    refuse(`${quoted(level)} demands ${what}`);
  }
  if (!isDated || signers.size < wanted) {
    return [
      "UNDECIDED",
      `${quoted(level)} demands what chain ${outOfReach.join(", ")} would have to show`,
    ];
  }
  return ["HOLDS", `${quoted(level)}, under policy ${policy.fingerprint.slice(0, 16)}`];
}
