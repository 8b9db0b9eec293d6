// What was found, as elements. Every value is hostile, and is only ever text.

/** Return an element with a class, or none, and children: elements and texts. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

const STATES = new Map([
  ["✓", ["holds", "holds"]],
  ["✗", ["fails", "fails"]],
  ["?", ["undecided", "undecided"]],
  ["–", ["", "not demanded"]],
]);

/** Return a mark, which a screen reader is told in words. */
function markOf(mark) {
  const [, words] = STATES.get(mark) ?? ["", "not reached"];
  const seen = element("span", "mark", STATES.has(mark) ? mark : "·");
  seen.setAttribute("aria-hidden", "true");
  return [seen, element("span", "unseen", `${words}: `)];
}

function stepElement({ step, mark, finding }) {
  const [seen, unseen] = markOf(mark);
  const name = element("span", "name", unseen, step);
  return element("li", STATES.get(mark)[0], seen, name, element("span", "finding", finding));
}

/** Return a text that can be copied by a button: a hash, as a rule. */
function copyable(text, shown = element("code", "hash", text)) {
  const button = element("button", "copy", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy ${text.slice(0, 12)}…`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(shown); // not allowed here: then it is at least selected
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return element("span", "", shown, button);
}

/** Return a list of facts: name and value, an element or a text; those that are null are left out. */
function facts(...pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined);
  const row = ([name, value]) =>
    element("div", "", element("dt", "", name), element("dd", "", value));
  return element("dl", "facts", ...rows.map(row));
}

const folded = (title, ...children) =>
  element("details", "", element("summary", "", title), ...children);

/** Return the way up: at each step a hash beside, and the one above that both make. */
function pathElement(path, to) {
  if (!path.length) return element("span", "muted", `none: it is ${to}`);
  const row = (label, hash) => element("span", "row", element("span", "", label), copyable(hash));
  const step = ({ hash, side, node }) => element("li", "", row(side, hash), row("gives", node));
  const count = `${path.length} ${path.length === 1 ? "hash" : "hashes"} up to ${to}`;
  return folded(count, element("ol", "path", ...path.map(step)));
}

const bdi = (text) => element("bdi", "", text);

// --- the ladder -------------------------------------------------------------------------------

const MOST_RECORDS = 20;

const RUNGS = [
  { title: () => "Record", steps: ["record"], of: "records", show: recordFacts },
  { title: titleOfArtifact, steps: ["statement"], of: "artifact", show: artifactFacts },
  {
    title: () => "Signed statement",
    steps: ["envelope", "signature", "standing"],
    of: "statement",
    show: statementFacts,
  },
  { title: () => "Log entry", steps: ["entry"], of: "entry", show: entryFacts },
  {
    title: () => "Checkpoint",
    steps: ["checkpoint", "witnesses"],
    of: "checkpoint",
    show: checkpointFacts,
  },
  { title: () => "Chain", steps: ["anchor"], of: "anchors", show: anchorFacts },
];

/** Return the rungs from the record to the chain, each with the marks of its steps. */
function ladderElements({ steps, ladder }) {
  const marks = new Map(steps.map(({ step, mark }) => [step, mark]));
  return RUNGS.map((rung) => {
    const seen = rung.steps.map((step) => marks.get(step));
    const mark = ["✗", "?", undefined, "✓", "–"].find((each) => seen.includes(each));
    const [shown, unseen] = markOf(mark);
    const title = element("h3", "", unseen, rung.title(ladder));
    const found = ladder[rung.of];
    const missing = seen.includes("✗") ? "Does not hold: the steps say why." : "Not reached.";
    const content = found === null ? [element("p", "muted", missing)] : rung.show(found);
    return element("li", `rung ${STATES.get(mark)?.[0] ?? ""}`, shown, title, ...content);
  });
}

const KINDS = { dataset: "data set", model: "model", outputs: "outputs", access: "batch of uses" };

function titleOfArtifact({ artifact }) {
  const kind = artifact === null ? "artifact" : KINDS[artifact.kind];
  return kind.slice(0, 1).toUpperCase() + kind.slice(1);
}

function recordFacts(records) {
  if (!records.length)
    return [element("p", "muted", "The proof is of the artifact, not of a record.")];
  const shown = records.slice(0, MOST_RECORDS).map(({ index, leafHash, path }) => {
    if (leafHash === null)
      return element("p", "muted", `Number ${index}, not compared: it was not given.`);
    return facts(
      ["Number", String(index)],
      ["Leaf hash", copyable(leafHash)],
      ["Path", pathElement(path, "the root")],
    );
  });
  const more = records.length - shown.length;
  return more ? [...shown, element("p", "muted", `And ${more} more.`)] : shown;
}

function artifactFacts({ name, size, root, digest, encoding, encodingHash, sensitivity }) {
  return [
    element("p", "", bdi(name), `, ${size} ${size === 1 ? "record" : "records"}, ${sensitivity}`),
    facts(
      ["Root", copyable(root)],
      ["Encoding", element("code", "", encoding)],
      ["Encoding hash", copyable(encodingHash)],
      ["Digest", copyable(digest)],
    ),
  ];
}

function statementFacts({ envelope, payload, issued, signers }) {
  const who = signers.map(({ name, keyid }) => element("div", "", bdi(name), " ", copyable(keyid)));
  return [
    facts(
      ["Signed by", element("div", "", ...who)],
      ["Issued", `${issued}, by the signer’s clock`],
      ["Payload", copyable(payload)],
      ["Envelope", copyable(envelope)],
    ),
  ];
}

function entryFacts({ index, bytes, leafHash, path }) {
  return [
    facts(
      ["Number", String(index)],
      ["Bytes", folded(`${bytes.length / 2} bytes`, copyable(bytes))],
      ["Leaf hash", copyable(leafHash)],
      ["Path", pathElement(path, "the checkpoint’s root")],
    ),
  ];
}

function checkpointFacts({ origin, size, root, note }) {
  return [
    element("p", "", bdi(origin), ` at ${size} ${size === 1 ? "entry" : "entries"}`),
    facts(
      ["Root", copyable(root)],
      ["Note", folded("as it is signed", copyable(note, element("pre", "", note)))],
    ),
  ];
}

function anchorFacts(anchors) {
  if (!anchors.length)
    return [element("p", "muted", "No anchor on a chain that the policy names.")];
  return anchors.flatMap((anchor) => {
    const { chain, chainId, block, time, confirmations, final, holds } = anchor;
    const when = holds ? `, ${time} UTC` : ", not asked";
    const state = `${confirmations}${final ? ", final" : ""}`;
    return [
      element("p", "", "Chain ", bdi(chain || String(chainId)), `, block ${block}${when}`),
      facts(
        ["Confirmations", holds ? state : null],
        ["Entries", String(anchor.size)],
        ["Root", copyable(anchor.root)],
        ["Contract", copyable(anchor.contract)],
        ["Ledger id", copyable(anchor.ledgerId)],
        ["Consistency", consistencyElement(anchor.consistency)],
      ),
    ];
  });
}

function consistencyElement(hashes) {
  if (!hashes.length) return element("span", "muted", "none: it is the checkpoint’s tree");
  const listed = hashes.map((hash) => element("li", "", copyable(hash)));
  const count = `${hashes.length} ${hashes.length === 1 ? "hash" : "hashes"} to the checkpoint`;
  return folded(count, element("ol", "path", ...listed));
}

// --- the verdict ------------------------------------------------------------------------------

/** Return {kind, title, text} of a result: what a person reads first. */
function verdictOf({ verified, step, steps, ladder, warnings }) {
  const { finding = "" } = steps.find((check) => check.step === step) ?? {};
  const [brief] = finding.split(": "); // the hashes that follow stand among the steps
  if (verified === false) {
    return {
      kind: "bad",
      title: "Not verified",
      text: `The link “${step}” does not hold: ${brief}.`,
    };
  }
  if (verified === null) {
    return {
      kind: "undecided",
      title: "Undecided",
      text: `Nothing fails, but “${step}” is open: ${finding}.`,
    };
  }
  const text = [whatHolds(steps, ladder)];
  const times = ladder.anchors.map(({ time }) => time).filter(Boolean);
  if (times.length) text.push(`Signed and logged not later than ${times.sort()[0]} UTC.`);
  if (warnings.length) text.push("Mind the warnings.");
  const isCompared = steps.find((check) => check.step === "record").mark === "✓";
  const title = isCompared ? "Verified" : "Verified: the statement alone";
  return { kind: "ok", title, text: text.join(" ") };
}

function whatHolds(steps, { artifact, records }) {
  const whole = `${KINDS[artifact.kind]} “${artifact.name}”`;
  const shown = records.filter(({ leafHash }) => leafHash !== null);
  if (shown.length === 1) return `Record ${shown[0].index} is in the ${whole}.`;
  if (shown.length) return `${shown.length} records are in the ${whole}.`;
  if (steps.find((check) => check.step === "record").mark === "✓") {
    return `All of the ${whole} is what was signed.`;
  }
  return `The statement about the ${whole} holds. No data was compared with it.`;
}
