"use strict";
// An auditor's verdict, signed here: by a key that this browser made and never gives away. What is
// sent is the envelope alone, as any client sends it.

const form = document.getElementById("own-review");
const told = form.querySelector(".told");
const wrongAbout = form.querySelector(".wrong");
const PAYLOAD_TYPE = "application/vnd.in-toto+json";

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Do one thing with the keys that this browser keeps for this address. */
function inKeys(mode, ask) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("provenance", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const asked = ask(opening.result.transaction("keys", mode).objectStore("keys"));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    };
  });
}

async function described(pair) {
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const keyid = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", spki)));
  const pem = `-----BEGIN PUBLIC KEY-----\n${base64(spki)}\n-----END PUBLIC KEY-----\n`;
  return { pair, keyid, pem };
}

async function ownKey() {
  const pair = await inKeys("readonly", (keys) => keys.get("auditor"));
  return pair ? described(pair) : null;
}

async function makeKey() {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  await inKeys("readwrite", (keys) => keys.put(pair, "auditor"));
  return described(pair);
}

/** Return the payload: the RFC 8785 bytes of an in-toto statement (docs/formats.md). */
async function statementOf(verdict, reason) {
  const predicate = {
    evidence: [],
    issued: new Date().toISOString(),
    nonce: base64(crypto.getRandomValues(new Uint8Array(16))),
    verdict,
    ...(reason ? { reason } : {}),
  };
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [JSON.parse(form.dataset.subject)],
    predicateType: "urn:provenance-ledger:review:v1",
    predicate,
  };
  const { hashRecord } = await verifier();
  return utf8((await hashRecord(JSON.stringify(statement), "json")).leaf);
}

/** Return the DSSE envelope: PAE is "DSSEv1 SP len(type) SP type SP len(payload) SP payload". */
async function signed(payload, { pair, keyid }) {
  const head = utf8(`DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `);
  const message = new Uint8Array([...head, ...payload]);
  const sig = base64(new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, message)));
  return { payload: base64(payload), payloadType: PAYLOAD_TYPE, signatures: [{ keyid, sig }] };
}

async function send(envelope) {
  const answer = await fetch(`${root}/v1/entries`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(envelope),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail ?? said.title);
  return said.indices[0];
}

async function showKey() {
  const key = await ownKey();
  const shown = form.querySelector(".key");
  shown.hidden = !key;
  form.querySelector("[name=make]").hidden = Boolean(key);
  if (!key) return;
  shown.querySelector("pre").textContent = key.pem;
  shown.querySelector("code.keyid").textContent = key.keyid.slice(0, 16);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  wrongAbout.textContent = "";
  const { verdict, reason } = Object.fromEntries(new FormData(form));
  try {
    if (verdict !== "approve" && !reason.trim()) throw new Error(`Say why: to ${verdict} takes a reason.`);
    const key = await ownKey();
    if (!key) throw new Error("Make a key first, and have it added to the log.");
    const index = await send(await signed(await statementOf(verdict, reason.trim()), key));
    told.textContent = `Logged as entry ${index}.`;
    location.reload();
  } catch (error) {
    wrongAbout.textContent = error.message;
  }
});

form.querySelector("[name=make]").addEventListener("click", async () => {
  try {
    await makeKey();
    await showKey();
  } catch (error) {
    wrongAbout.textContent = `This browser makes no such key: ${error.message}`;
  }
});

form.hidden = false;
showKey().catch((error) => {
  wrongAbout.textContent = `This browser keeps no keys here: ${error.message}`;
});
