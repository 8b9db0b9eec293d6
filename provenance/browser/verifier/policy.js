// A trust policy: whom a verifier trusts, and what it demands of them.

const LEVELS = Object.keys(RULES.demands); // from the least to the most sensitive

/** Read a policy. Its fingerprint is SHA-256 of its RFC 8785 bytes, defaults written. */
async function parsePolicy(bytes) {
  const rule = { form: "Policy" };
  const value = parseJson(bytes, "the policy", RULES.limits.policy);
  const policy = await makePolicy(decode(rule, value, "the policy"));
  policy.fingerprint = await sha256(utf8(canonical(written(rule, value))));
  return policy;
}

/** Say whom a policy trusts: {origin, fingerprint, signers: [names], chains}. */
async function readPolicy(bytes) {
  const { origin, fingerprint, signers, chains } = await asInput(() => parsePolicy(bytes));
  const chain = ({ name, chainId, contract, embedded }) => ({ name, chainId, contract, embedded });
  return {
    origin,
    fingerprint,
    signers: signers.map(({ name }) => name),
    chains: chains.map(chain),
  };
}

/** Read the keys of a policy, and check what its form cannot say. */
async function makePolicy(policy) {
  if (policy.threshold < 1) refuse("the policy's threshold must be at least 1");
  for (const level of policy.demands.keys()) {
    if (!LEVELS.includes(level)) refuse(`the policy demands something of unknown ${quoted(level)}`);
  }
  const keyOf = async (signer) => ({ ...signer, key: await publicKeyOfPem(signer.publicKey) });
  policy.signers = await Promise.all(policy.signers.map(keyOf));
  policy.admins = await Promise.all(policy.adminKeys.map(publicKeyOfPem));
  policy.logVerifiers = await Promise.all(policy.logKeys.map(parseVerifierKey));
  policy.witnessVerifiers = await Promise.all(policy.witnesses.map(parseVerifierKey));
  refuseRepeats(
    "signer",
    policy.signers.map(({ key }) => key.keyid),
  );
  refuseRepeats(
    "admin key",
    policy.admins.map(({ keyid }) => keyid),
  );
  refuseRepeats(
    "chain",
    policy.chains.map(({ chainId, contract }) => `${chainId} ${contract}`),
  );
  refuseRepeats(
    "chain name",
    policy.chains.map(({ name }) => name),
  );
  refuseRepeats(
    "witness",
    policy.witnessVerifiers.map(({ keyId }) => keyId),
  );
  refuseRepeats(
    "log key",
    policy.logVerifiers.map(({ keyId }) => keyId),
  );
  for (const { name, type } of policy.witnessVerifiers) {
    if (type !== COSIGNATURE) refuse(`the key of witness ${quoted(name)} is not for cosigning`);
  }
  for (const { name, type } of policy.logVerifiers) {
    if (name !== policy.origin || type !== NOTE_KEY) {
      refuse(`the log key ${quoted(name)} is not one of ${quoted(policy.origin)}`);
    }
  }
  return policy;
}

function refuseRepeats(what, values) {
  const twice = values.find((value, at) => values.indexOf(value) < at);
  if (twice !== undefined) refuse(`the policy names the ${what} ${twice} twice`);
}

/** Return the sensitivity at which a statement is treated: never below the policy's minimum. */
function levelOf(policy, sensitivity) {
  return LEVELS[Math.max(LEVELS.indexOf(sensitivity), LEVELS.indexOf(policy.minimum))];
}

/** Return what a statement treated at `level` must show. */
function demandOf(policy, level) {
  const rule = { form: "Demand" };
  return (
    policy.demands.get(level) ?? decode(rule, new Map(Object.entries(RULES.demands[level])), level)
  );
}

/** Say whether an anchor there shows how old an entry is: another outweighs an embedded chain. */
function dates(policy, pin) {
  return !pin.embedded || policy.chains.every((other) => other.embedded);
}

/** Return the policy that the bundle's own key statements would make. It proves nothing. */
async function claimedPolicy(bundle) {
  let genesis = null;
  const signers = new Map();
  for (const { envelope } of bundle.standing) {
    const { kind, predicate, subjects } = await parseStatement(parseEnvelope(envelope).payload);
    if (kind !== "key") continue;
    if (predicate.action === "genesis") {
      genesis = predicate;
    } else if (predicate.publicKey !== null) {
      const signer = { name: subjects[0].name, publicKey: predicate.publicKey, kinds: [] };
      signers.set(await subjectKeyid(predicate), signer);
    }
  }
  if (genesis === null) refuse("no policy was given, and the bundle names no log of its own");
  const claimed = [
    ["type", "urn:provenance-ledger:policy:v1"],
    ["origin", genesis.origin],
    ["logKeys", [genesis.logKey]],
    ["adminKeys", genesis.adminKeys],
    ["signers", [...signers.values()].map((signer) => new Map(Object.entries(signer)))],
  ];
  const policy = decode({ form: "Policy" }, new Map(claimed), "the policy that the bundle claims");
  try {
    return await makePolicy(policy);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(`the bundle names a key that cannot be used: ${error.message}`);
  }
}
