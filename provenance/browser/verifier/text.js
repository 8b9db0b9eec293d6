// Errors; bytes as texts; how a text is quoted for a person.

/** What was given cannot be used: a policy, a record, a file. There is no verdict. */
class InputError extends Error {
  name = "InputError";
}

/** Something does not hold, or is not of the form it should have: the step at hand fails. */
class Failure extends Error {
  name = "Failure";
}

/** This browser cannot check it. There is no verdict. */
class UnsupportedError extends Error {
  name = "UnsupportedError";
}

/** Return what `work` returns; what it finds malformed is the caller's, not the bundle's. */
async function asInput(work) {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Failure ? new InputError(error.message) : error;
  }
}

// Hashes are texts of lower-case hex digits everywhere, so that === compares them.

const HEX_BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function toHex(bytes) {
  let text = "";
  for (const byte of bytes) text += HEX_BYTES[byte];
  return text;
}

/** Return the bytes of hex digits, which were checked to be such. */
function fromHex(text) {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

const utf8 = (text) => new TextEncoder().encode(text);

/** Return the text of UTF-8 bytes, a byte order mark included; null where they are none. */
function fromUtf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Return the bytes of standard padded base64 in its one form (RFC 4648, section 4). */
function fromBase64(text, what) {
  let binary = null;
  try {
    binary = atob(text);
  } catch {
    // not base64 of any form
  }
  // `atob` passes over spaces, missing padding and stray bits; written again, they are gone.
  if (binary === null || btoa(binary) !== text) {
    throw new Failure(`${what} must be standard base64 with padding`);
  }
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

function toBase64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Return bytes one behind the other. */
function joined(parts) {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Return SHA-256 of bytes. */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new UnsupportedError("a browser hashes on pages from https or from a disk only");
  }
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Return a text in quotes, as Python's `repr` does: nothing in it acts on a page. */
function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", [quote]: `\\${quote}` };
  const inside = text.replace(/[\\'"]|(?! )[\p{C}\p{Z}]/gu, (char) => {
    if (Object.hasOwn(named, char)) return named[char];
    if (char === "'" || char === '"') return char;
    const code = char.codePointAt(0);
    const [letter, digits] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
  return quote + inside + quote;
}

/** Name a member in an error: short. */
const quotedName = (name) =>
  quoted([...name].length > 64 ? `${[...name].slice(0, 64).join("")}…` : name);

const grouped = (number) => number.toLocaleString("en-US");

/** Compare texts by code points, as Python does; < and sort() go by UTF-16 code units. */
function byCodePoints(one, other) {
  const [left, right] = [[...one], [...other]];
  for (let at = 0; at < left.length && at < right.length; at++) {
    if (left[at] !== right[at]) return left[at].codePointAt(0) - right[at].codePointAt(0);
  }
  return left.length - right.length;
}

/** Say whether a list is sorted by code points, and nothing in it stands twice. */
const isSortedSet = (texts) =>
  texts.every((text, at) => !at || byCodePoints(texts[at - 1], text) < 0);
