"use strict";
// What every page does beyond what it says: hashes can be copied.

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
  hash.after(button);
}
