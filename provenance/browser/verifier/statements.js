// in-toto Statements, v1, and what a form cannot say of them. Whatever is wrong is a `Failure`.

const ARTIFACT = "provenance-artifact-v1";
const RUN = "provenance-run-v1";

const refuse = (why) => {
  throw new Failure(why);
};

// --- of single forms, when they are read ---------------------------------------------------------

const CHECKS = {
  Subject: ({ digest, name }) => checkDigests(digest, name),
  Evidence: ({ digest, type }) => checkDigests(digest, type),
  ArtifactRef: ({ digest, name }) => {
    checkDigests(digest, name);
    if (!digest.has(ARTIFACT)) refuse(`${quoted(name)} has no ${ARTIFACT}`);
  },
  Encoding: checkEncoding,
  Artifact: ({ root, size }) => {
    if ((size === 0) !== (root === EMPTY_ROOT)) {
      refuse(`an artifact of ${size} records cannot have the root ${root}`);
    }
  },
  Derivation: checkDerivation,
};

function checkDigests(digest, what) {
  if (!digest.size) refuse(`${quoted(what)} has no digest`);
  for (const [algorithm, value] of digest) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(algorithm)) {
      refuse(`${quoted(what)} has a digest of the strange name ${quoted(algorithm)}`);
    }
    if (["sha256", ARTIFACT, RUN].includes(algorithm) && value.length !== HASH_DIGITS) {
      refuse(`the ${algorithm} of ${quoted(what)} must have 64 hex digits`);
    }
  }
}

const PARAMETERS = {
  json: [],
  line: [],
  chunk: ["chunkSize"],
  file: ["digest", "ignore", "followSymlinks"],
};

function checkEncoding(encoding) {
  const { encoding: name, chunkSize, ignore } = encoding;
  for (const parameter of ["chunkSize", "digest", "ignore", "followSymlinks"]) {
    const given = encoding[parameter] !== null;
    if (given !== PARAMETERS[name].includes(parameter)) {
      const verb = given ? "has no" : "needs the";
      refuse(`the encoding ${quoted(name)} ${verb} parameter ${quoted(parameter)}`);
    }
  }
  if (chunkSize !== null && !(1 <= chunkSize && chunkSize <= RULES.limits.chunk)) {
    refuse(`no chunk has ${chunkSize} bytes: 1 to ${grouped(RULES.limits.chunk)}`);
  }
  if (ignore !== null && !isSortedSet(ignore)) {
    refuse("the globs to ignore are not sorted, or one stands twice");
  }
}

function checkDerivation({ claim, ordered, sources, targets }) {
  const several = [sources.length > 1, targets.length > 1].join();
  const wanted = { split: "false,true", concatenation: "true,false" };
  if (several !== (Object.hasOwn(wanted, claim) ? wanted[claim] : "false,false")) {
    refuse(`there is no ${claim} of ${sources.length} sources to ${targets.length} targets`);
  }
  if (!sources.length || !targets.length) refuse("a derivation has sources and targets");
  if ((claim === "extension" && !ordered) || (claim === "permutation" && ordered)) {
    refuse(`the claim ${quoted(claim)} is ${ordered ? "never" : "always"} ordered`);
  }
  const both = sources.find((source) => targets.includes(source));
  if (both) refuse(`the artifact ${both} is on both sides`);
}

/** Check that an RFC 3339 time is on the calendar. */
function checkTime(time, what) {
  const second = time.slice(0, 19);
  const date = new Date(`${second}Z`);
  const isThere = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(second);
  if (!isThere || time.startsWith("0000"))
    refuse(`${what} is no time on the calendar: ${quoted(time)}`);
}

// --- of predicates -------------------------------------------------------------------------------

const artifactOf = ({ digest }) => digest.get(ARTIFACT);

/** What each kind of predicate checks of itself and of its subjects, beyond its form. */
const PREDICATES = {
  dataset: checkDescribed,
  model: checkDescribed,
  outputs: checkDescribed,
  access: checkAccess,
  step: checkStep,
  quality: ({ metrics, criteria, passed }, subjects, kind) => {
    checkArtifacts(subjects, kind);
    if (passed !== judge(metrics, criteria)) {
      refuse(`passed cannot be ${passed ? "True" : "False"}: the metrics say otherwise`);
    }
  },
  review: (_, subjects, kind) => checkArtifacts(subjects, kind),
  key: checkKey,
  supersede: ({ replacement }, subjects, kind) => {
    checkArtifacts(subjects, kind);
    if (subjects.length !== 1)
      refuse(`one artifact is superseded at a time, not ${subjects.length}`);
    if (replacement && artifactOf(replacement) === artifactOf(subjects[0])) {
      refuse(`${quoted(subjects[0].name)} cannot replace itself`);
    }
  },
};

const REFERENCES = {
  outputs: ({ model }) => (model ? [model] : []),
  step: ({ inputs }) => inputs,
  supersede: ({ replacement }) => (replacement ? [replacement] : []),
};

function checkArtifacts(subjects, kind) {
  for (const subject of subjects) {
    if (artifactOf(subject) === undefined) {
      const has = `${quoted(subject.name)} has no ${ARTIFACT}`;
      refuse(`a ${quoted(kind)} statement is about artifacts, and ${has}`);
    }
  }
}

async function checkDescribed({ artifact }, subjects, kind) {
  checkArtifacts(subjects, kind);
  if (subjects.length !== 1) {
    refuse(`a ${quoted(kind)} statement has one subject, not ${subjects.length}`);
  }
  await checkIsArtifact(subjects[0], artifact);
}

async function checkIsArtifact(subject, artifact) {
  const digest = await artifactDigest(artifact);
  if (artifactOf(subject) !== digest) {
    refuse(
      `${quoted(subject.name)} has another ${ARTIFACT} than its root, size and encoding give: ${digest}`,
    );
  }
}

async function checkAccess({ artifact, uses, started, finished }, subjects, kind) {
  checkTime(started, "started");
  checkTime(finished, "finished");
  // Sums beyond 2^53 are rounded, and stay beyond it: no size is that large.
  const sum = [...uses.values()].reduce((total, count) => total + count, 0);
  if ([...uses.values()].some((count) => count < 1) || !uses.size || sum !== artifact.size) {
    refuse(`the uses are not the ${artifact.size} that the batch has`);
  }
  checkArtifacts(subjects, kind);
  await checkIsArtifact(subjects[0], artifact);
  const [said, used] = [subjects.slice(1).map(artifactOf).sort(), [...uses.keys()].sort()];
  if (said.length !== used.length || said.some((digest, at) => digest !== used[at])) {
    refuse("the subjects are not the batch and the artifacts used");
  }
}

async function checkStep(step, subjects, kind) {
  checkTime(step.started, "started");
  checkTime(step.finished, "finished");
  if (step.outcome === "succeeded" && step.error !== null)
    refuse("a step that succeeded has no error");
  if (step.derivations && !step.derivations.length) {
    refuse("a step that claims no derivation leaves them out");
  }
  const run = await sha256(joined([utf8("provenance-run/v1\n"), step.nonce]));
  const [{ name, digest }] = subjects;
  const isRun = name === step.name && digest.size === 1 && digest.get(RUN) === run;
  if (subjects.length !== 1 || !isRun) checkArtifacts(subjects, kind);
  const outputs = new Set(subjects.map(artifactOf));
  const known = new Set([...outputs, ...step.inputs.map(artifactOf)]);
  for (const { sources, targets } of step.derivations ?? []) {
    if (!targets.every((each) => outputs.has(each)) || !sources.every((each) => known.has(each))) {
      refuse("a derivation leads from inputs and outputs of the step to its outputs");
    }
  }
}

// --- statements ----------------------------------------------------------------------------------

/**
 * Read the one byte form of a statement: {kind, described, subjects, predicate, artifacts}.
 * `artifacts` are the digests that its entry lists: of the subjects, then of what it refers to.
 */
async function parseStatement(bytes) {
  const value = parseCanonical(bytes, "the statement", RULES.limits.statement);
  const wire = decode({ form: "Wire" }, value, "statement", true);
  if (!Object.hasOwn(RULES.predicates, wire.predicateType)) {
    refuse(`a statement of no kind known here: ${quoted(wire.predicateType)}`);
  }
  const { kind, form, described } = RULES.predicates[wire.predicateType];
  const predicate = decode({ form }, wire.predicate, "statement.predicate", true);
  const subjects = wire.subject;
  if (predicate.nonce.length !== RULES.limits.nonce) {
    refuse(`a nonce has ${RULES.limits.nonce} bytes, not ${predicate.nonce.length}`);
  }
  checkTime(predicate.issued, "issued");
  if (!subjects.length) refuse("a statement has subjects");
  const named = subjects.map(({ name, digest }) =>
    canonical(
      new Map([
        ["n", name],
        ["d", digest],
      ]),
    ),
  );
  if (new Set(named).size !== named.length) refuse("a subject of the statement stands twice");
  await PREDICATES[kind](predicate, subjects, kind);
  const references = Object.hasOwn(REFERENCES, kind) ? REFERENCES[kind](predicate) : [];
  const digests = [...subjects, ...references]
    .map(artifactOf)
    .filter((digest) => digest !== undefined);
  const artifacts = [...new Set(digests)];
  if (artifacts.length > RULES.limits.artifacts) {
    refuse(`the statement names more than ${RULES.limits.artifacts} artifacts`);
  }
  return { kind, described, subjects, predicate, artifacts };
}
