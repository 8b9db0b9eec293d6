"use strict";
// What every page does beyond what it says: hashes can be copied, and a record that is pasted into
// the search is hashed here, so that only hashes are sent.

const root = document.body.dataset.root;

/** Return the verifier, which is fetched when it is first wanted. */
const verifier = (() => {
  let loading = null;
  return () =>
    (loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${document.body.dataset.assets}/verifier.js`;
      script.addEventListener("load", () => resolve(provenance));
      script.addEventListener("error", () => reject(new Error("the verifier cannot be fetched")));
      document.head.append(script);
    }));
})();

/** Return the leaf hashes that a text may have as a record: of an object as JSON, and as a line. */
async function leavesOf(text) {
  const { hashRecord } = await verifier();
  const encodings = text.startsWith("{") ? ["json", "line"] : ["line"];
  return Promise.all(encodings.map(async (each) => (await hashRecord(text, each)).leafHash));
}

function addCopyButtons() {
  for (const hash of document.querySelectorAll("[data-copy]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${hash.textContent.slice(0, 12)}…`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(hash.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(hash); // not allowed here: then it is at least selected
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    (hash.closest("a") ?? hash).after(button);
  }
}

function hashWhatIsSought() {
  const form = document.querySelector("form.find");
  const field = form.elements.q;
  field.addEventListener("input", () => field.setCustomValidity(""));
  form.addEventListener("submit", async (event) => {
    const text = field.value.trim();
    if (!/^[{["]/.test(text)) return;
    event.preventDefault();
    try {
      const asked = new URLSearchParams({ of: "this record" });
      for (const leaf of await leavesOf(text)) asked.append("leaf", leaf);
      location.assign(`${root}/search?${asked}`);
    } catch (error) {
      field.setCustomValidity(`This is no record: ${error.message}`);
      form.reportValidity();
    }
  });
}

/** Forms that ask for a record of an artifact: what is typed is hashed, and only its hash is sent. */
function hashWhatIsTyped() {
  for (const form of document.querySelectorAll('form[data-hash]:not([data-hash="chunk"])')) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const wrong = form.querySelector(".wrong");
      wrong.textContent = "";
      try {
        const { hashRecord } = await verifier();
        const text = form.querySelector("textarea").value;
        form.elements.leaf.value = (await hashRecord(text, form.dataset.hash)).leafHash;
        form.submit();
      } catch (error) {
        wrong.textContent = `This is no record of it: ${error.message}`;
      }
    });
  }
}

addCopyButtons();
hashWhatIsSought();
hashWhatIsTyped();
