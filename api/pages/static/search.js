"use strict";
// A file that is dropped on the search is hashed here: as a file of its own, by its sha256 and the
// root of its chunks, and as a file of a folder, by the leaf that it would be there.

const drop = document.getElementById("drop");
const chooser = document.getElementById("file");
const bar = drop.querySelector("progress");
const told = drop.querySelector(".told");

async function leavesInFolders(file, sha256) {
  const { hashRecord } = await verifier();
  const parts = (file.webkitRelativePath || file.name).split("/");
  const ends = parts.map((_, at) => parts.slice(at).join("/"));
  const lines = ends.map((path) => JSON.stringify({ path, sha256, size: file.size }));
  return Promise.all(lines.map(async (line) => (await hashRecord(line, "file")).leafHash));
}

async function find(file) {
  bar.hidden = false;
  told.textContent = `Hashing ${file.name}…`;
  try {
    const { hashFile } = await verifier();
    const onProgress = (read, size) => (bar.value = size ? read / size : 1);
    const { root: treeRoot, sha256 } = await hashFile(file, { onProgress });
    const asked = new URLSearchParams({ of: file.name.slice(0, 200), root: treeRoot });
    if (sha256 === null) {
      asked.append("partly", "1"); // a browser cannot hold it
    } else {
      asked.append("sha256", sha256);
      for (const leaf of await leavesInFolders(file, sha256)) asked.append("leaf", leaf);
    }
    location.assign(`${root}/search?${asked}`);
  } catch (error) {
    told.textContent = error.message;
    bar.hidden = true;
  }
}

drop.hidden = false;
chooser.addEventListener("change", () => chooser.files.length && find(chooser.files[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) find(event.dataTransfer.files[0]);
  });
}
