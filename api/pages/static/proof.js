"use strict";
// Every rung of the ladder, checked here: by the verifier, from the bundle and a policy alone. What
// the page shows of a hash is held against what was computed.

const verdict = document.getElementById("verdict");
const rungs = [...document.querySelectorAll(".rung")];
// The worst first: a rung is as good as the worst of its steps.
const STYLES = { "✗": "fails", "?": "undecided", "✓": "holds", "–": "not demanded" };
const given = { record: null, file: null, policy: null, rpc: {} };
let round = 0;

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} cannot be fetched: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

const fetching = Promise.all([fetched(verdict.dataset.bundle), fetched(verdict.dataset.policy)]);
fetching.catch(() => {}); // told by whoever waits for it

const shown = (name) => document.querySelector(`[data-shows="${name}"] code`);

function say(style, sentence, ...more) {
  verdict.className = `notice ${style}`;
  verdict.replaceChildren(
    ...[sentence, ...more].map((text) => {
      const line = document.createElement("p");
      line.textContent = text;
      return line;
    }),
  );
}

function mark(rung, sign, findings) {
  rung.classList.remove("holds", "fails", "undecided");
  if (sign in STYLES && sign !== "–") rung.classList.add(STYLES[sign]);
  rung.querySelector(".mark").textContent = sign;
  rung.querySelector(".state").textContent = STYLES[sign] ?? "not checked";
  rung.querySelector(".findings").replaceChildren(
    ...findings.map(({ mark, step, finding }) => {
      const line = document.createElement("li");
      line.textContent = `${mark} ${step}: ${finding}`;
      return line;
    }),
  );
}

function markRungs(steps) {
  for (const rung of rungs) {
    const own = steps.filter(({ step }) => rung.dataset.steps.split(" ").includes(step));
    const signs = own.map((each) => each.mark);
    mark(rung, Object.keys(STYLES).find((sign) => signs.includes(sign)) ?? "·", own);
  }
}

/** Return the names of hashes that the page shows otherwise than they were computed. */
function differing({ ladder, policy }) {
  const computed = {
    leafHash: ladder.records?.[0]?.leafHash,
    root: ladder.artifact?.root,
    artifactDigest: ladder.artifact?.digest,
    envelopeHash: ladder.statement?.envelope,
    entryLeafHash: ladder.entry?.leafHash,
    checkpointRoot: ladder.checkpoint?.root,
    policy: given.policy === null ? policy : null,
  };
  ladder.anchors?.forEach((anchor, at) => (computed[`anchorRoot${at}`] = anchor.root));
  return Object.entries(computed).filter(([name, value]) => {
    const place = shown(name);
    return place && value && place.textContent !== value;
  });
}

async function check() {
  const own = ++round;
  say("", "Checking…");
  try {
    const [bundle, served] = await fetching;
    const { verify } = await verifier();
    const { record, file, rpc } = given;
    const leafHashes = record === null && file === null ? [shown("leafHash").textContent] : null;
    const policy = given.policy ?? served;
    const result = await verify({ bundle, policy, record, file, leafHashes, rpc });
    if (own !== round) return; // something else was asked for meanwhile
    markRungs(result.steps);
    const wrong = differing(result);
    if (wrong.length) {
      say("bad", "This page shows other hashes than the proof has: do not believe it.");
    } else {
      sayVerdict(result);
    }
  } catch (error) {
    if (own === round) say("bad", error.message);
  }
}

function sayVerdict({ verified, step, steps, warnings }) {
  const by = given.policy === null ? "under the policy of this server" : "under your policy";
  const finding = steps.find((each) => each.step === step)?.finding ?? "";
  if (verified) {
    say("ok", `Verified in your browser, ${by}.`, ...warnings);
  } else if (verified === null) {
    say("undecided", `Nothing fails, ${by}; but one thing is not decided.`, finding, ...warnings);
  } else {
    say("bad", `Not verified, ${by}: ${step}.`, finding, ...warnings);
  }
}

/** Return the part of a file that would be this record: a chunk; of a file that is no larger, all. */
function chunkOf(file, { number, chunk }) {
  return file.size > chunk ? file.slice(number * chunk, (Number(number) + 1) * chunk) : file;
}

function listen() {
  const own = document.getElementById("own-record");
  own.hidden = false;
  own.addEventListener("submit", (event) => {
    event.preventDefault();
    const { text, whole } = own.elements;
    given.record = text?.value || null;
    given.file = whole?.files.length ? chunkOf(whole.files[0], own.dataset) : null;
    check();
  });
  for (const node of document.querySelectorAll("form.node")) {
    node.hidden = false;
    node.addEventListener("submit", (event) => {
      event.preventDefault();
      given.rpc = { ...given.rpc, [node.dataset.chain]: node.querySelector("input").value };
      check();
    });
  }
  const policy = document.getElementById("own-policy");
  policy.hidden = false;
  policy.addEventListener("change", async () => {
    const [file] = document.getElementById("policy-file").files;
    given.policy = file ? new Uint8Array(await file.arrayBuffer()) : null;
    check();
  });
}

listen();
check();
