// The form: what is chosen, and a run of the verifier over it.

const find = (selector) => document.querySelector(selector);

/** Return the bytes of the file that is chosen there; null where none is. */
async function chosenBytes(selector) {
  const [file] = find(selector).files;
  if (!file) return null;
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new provenance.InputError(`${file.name} cannot be read: ${error.message}`);
  }
}

/** Say whom a policy trusts as soon as it is chosen, and offer to ask its chains. */
async function readPolicy() {
  const [told, nodes] = [find("#policy-told"), find("#nodes")];
  told.className = "told";
  told.replaceChildren();
  find("#nodes .fields").replaceChildren();
  nodes.hidden = true;
  const [file] = find("#policy").files;
  const isChosen = () => find("#policy").files[0] === file; // still, after each wait
  let policy;
  try {
    const bytes = await chosenBytes("#policy");
    if (bytes === null) return;
    policy = await provenance.readPolicy(bytes);
    if (!isChosen()) return;
  } catch (error) {
    if (!isChosen()) return;
    told.className = "told wrong";
    told.textContent = `It cannot be used: ${error.message}`;
    return;
  }
  const fingerprint = ["Fingerprint", copyable(policy.fingerprint)];
  told.append(facts(["Log", bdi(policy.origin)], fingerprint));
  const asked = policy.chains.filter(({ embedded }) => !embedded);
  find("#nodes .fields").append(...asked.map(nodeField));
  nodes.hidden = !asked.length;
}

function nodeField({ name, chainId }, at) {
  const input = element("input", "");
  Object.assign(input, { id: `node-${at}`, type: "url", placeholder: "https://…" });
  Object.assign(input, { autocomplete: "off", spellcheck: false });
  input.dataset.chain = name;
  const label = element("label", "", "Node of chain ", bdi(name || String(chainId)));
  label.htmlFor = input.id;
  return element("div", "", label, input);
}

function chosenNodes() {
  const named = [...document.querySelectorAll("#nodes input")].filter(({ value }) => value.trim());
  return Object.fromEntries(named.map((input) => [input.dataset.chain, input.value.trim()]));
}

function showVerdict({ kind, title, text }) {
  find("#verdict").className = `notice ${kind}`;
  find("#verdict h2").textContent = title;
  find("#verdict p").textContent = text;
}

async function run() {
  const steps = find("ol.steps");
  steps.replaceChildren();
  for (const part of ["#warnings", "#ladder", "#progress"]) find(part).hidden = true;
  find("#steps-title").hidden = false;
  find("#result").hidden = false;
  showVerdict({ kind: "", title: "Checking …", text: "" });
  try {
    const bundle = await chosenBytes("#bundle");
    if (bundle === null) throw new provenance.InputError("choose a proof first");
    const [file = null] = find("#file").files;
    const result = await provenance.verify({
      bundle,
      policy: await chosenBytes("#policy"),
      record: find("#record").value === "" ? null : find("#record").value,
      file,
      rpc: chosenNodes(),
      onStep: (check) => steps.append(stepElement(check)),
      onProgress: showProgress,
    });
    showResult(result);
  } catch (error) {
    find("#steps-title").hidden = !steps.childElementCount;
    showVerdict({ kind: "bad", title: "Nothing was decided", text: `${sentence(error.message)}.` });
    const isOurs = [provenance.InputError, provenance.UnsupportedError].some(
      (kind) => error instanceof kind,
    );
    if (!isOurs) throw error;
  } finally {
    find("#progress").hidden = true;
    find("#verdict h2").focus();
  }
}

const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

function showProgress(done, all) {
  find("#progress").hidden = done === all;
  find("#progress progress").value = done / all;
}

function showResult(result) {
  showVerdict(verdictOf(result));
  find("#warnings").hidden = !result.warnings.length;
  find("#warnings ul").replaceChildren(...result.warnings.map((each) => element("li", "", each)));
  find("#ladder").hidden = result.ladder.checkpoint === null;
  find("ol.ladder").replaceChildren(...ladderElements(result));
}

find("#given").addEventListener("submit", async (event) => {
  event.preventDefault();
  find("#verify").disabled = true;
  try {
    await run();
  } finally {
    find("#verify").disabled = false;
  }
});
find("#policy").addEventListener("change", readPolicy);

// A file is dropped onto its field; anywhere else it would take the place of this page.
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (event.target.type !== "file") event.preventDefault();
  });
}
for (const input of document.querySelectorAll("input[type=file]")) {
  input.addEventListener("dragenter", () => input.classList.add("over"));
  for (const kind of ["dragleave", "drop"]) {
    input.addEventListener(kind, () => input.classList.remove("over"));
  }
  input.addEventListener("change", () => input.classList.toggle("chosen", input.files.length > 0));
}
