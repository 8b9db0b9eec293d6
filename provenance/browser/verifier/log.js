// The log: signed notes (C2SP signed-note, tlog-cosignature), checkpoints and entries.

const NOTE_KEY = 1;
const COSIGNATURE = 4;
const MAX_TIME = 2n ** 63n - 1n;
const SPACES = /[\0-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/;

function checkKeyName(name) {
  if (!name || SPACES.test(name)) {
    throw new Failure(`${quoted(name)} cannot name a key: it is empty, or has a space or a +`);
  }
}

/** Read a vkey, name+hex(key ID)+base64(type ‖ public key): {name, keyId, type, key}. */
async function parseVerifierKey(vkey) {
  const [name, keyId = "", ...rest] = vkey.split("+");
  const data = fromBase64(rest.join("+"), `the key of the vkey ${quoted(name)}`);
  const type = data[0];
  if (type !== NOTE_KEY && type !== COSIGNATURE) {
    throw new Failure(`the vkey ${quoted(name)} is of no type known here: 01 and 04 are`);
  }
  const key = await publicKeyOfRaw(data.subarray(1));
  checkKeyName(name);
  const expected = (await sha256(joined([utf8(`${name}\n`), data]))).slice(0, 8);
  if (keyId !== expected) {
    throw new Failure(`the key ID in the vkey ${quoted(name)} must be ${expected}`);
  }
  return { name, keyId, type, key };
}

/** Return the text of a note, and which of `verifiers` signed it: {text, signatures}. */
async function openNote(note, verifiers) {
  const { text, lines } = splitNote(note);
  const known = new Map();
  for (const verifier of verifiers) {
    const id = `${verifier.keyId} ${verifier.name}`;
    const other = known.get(id) ?? verifier;
    if (other.type !== verifier.type || other.key.keyid !== verifier.key.keyid) {
      throw new InputError(`two verifier keys have the name ${verifier.name} and one key ID`);
    }
    known.set(id, other);
  }
  const signatures = new Map();
  for (const line of lines) {
    const verifier = known.get(`${line.keyId} ${line.name}`);
    if (!verifier) continue;
    if (signatures.has(verifier)) throw new Failure(`the note is signed twice by ${line.name}`);
    signatures.set(verifier, { verifier, time: await checkLine(verifier, line.signature, text) });
  }
  if (!signatures.size) {
    const names = lines
      .slice(0, 5)
      .map((line) => [...line.name].slice(0, 80).join(""))
      .join(", ");
    const more = lines.length > 5 ? ` and ${lines.length - 5} more` : "";
    throw new Failure(`the note is signed by no known key, only by ${names}${more}`);
  }
  return { text, signatures: [...signatures.values()] };
}

function splitNote(note) {
  const length = utf8(note).length;
  const { note: most, noteSignatures } = RULES.limits;
  if (length > most) {
    throw new Failure(
      `the note is ${grouped(length)} bytes long; at most ${grouped(most)} are read`,
    );
  }
  if (/[\0-\x09\x0b-\x1f]/.test(note)) throw new Failure("the note holds a control character");
  const gap = note.lastIndexOf("\n\n");
  const signatures = note.slice(gap + 2);
  if (gap < 0 || !signatures.endsWith("\n")) {
    throw new Failure("the note has no signature lines after an empty line");
  }
  const rows = signatures.slice(0, -1).split("\n");
  if (rows.length > noteSignatures) {
    throw new Failure(`the note has ${rows.length} signatures, more than ${noteSignatures}`);
  }
  return { text: note.slice(0, gap + 1), lines: rows.map(parseLine) };
}

function parseLine(row) {
  const [dash, name, encoded, ...more] = row.split(" ");
  if (dash !== "—" || encoded === undefined || more.length) {
    throw new Failure(`not a signature line of a note: ${quoted([...row].slice(0, 80).join(""))}`);
  }
  checkKeyName(name);
  const data = fromBase64(encoded, `the signature by ${name}`);
  if (data.length < 5)
    throw new Failure(`the signature by ${name} has ${data.length} bytes: too few`);
  return { name, keyId: toHex(data.subarray(0, 4)), signature: data.subarray(4) };
}

/** Check a line by a known key; return the time of a cosignature, null of another. */
async function checkLine({ name, type, key }, signature, text) {
  if (type === NOTE_KEY) {
    await checkSignature(key, signature, utf8(text));
    return null;
  }
  if (signature.length !== 72) {
    throw new Failure(`the cosignature by ${name} has ${signature.length} bytes, not 72`);
  }
  const time = BigInt(`0x${toHex(signature.subarray(0, 8))}`);
  if (time > MAX_TIME) throw new Failure(`the cosignature by ${name} has no POSIX time`);
  await checkSignature(key, signature.subarray(8), utf8(`cosignature/v1\ntime ${time}\n${text}`));
  return time;
}

/** Read the text of a checkpoint: {origin, size, root}. */
function parseCheckpoint(text) {
  const found = /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]+)\n$/.exec(text);
  if (!found) throw new Failure("a checkpoint has three lines: origin, size and root");
  const root = toHex(fromBase64(found[3], "the root of the checkpoint"));
  const size = Number(found[2]);
  if (size > MAX_INTEGER || root.length !== HASH_DIGITS) {
    throw new Failure("a checkpoint's size is at most 2^53-1 and its root 32 bytes");
  }
  return { origin: found[1], size, root };
}

const KIND_NAMES = new Map(Object.entries(RULES.kinds).map(([kind, number]) => [number, kind]));
const ENTRY_HEADER = 36;

/** Read an entry of version 1: {kind, envelopeHash, artifacts}. */
function parseEntry(bytes) {
  if (bytes.length < ENTRY_HEADER || bytes[0] !== 1)
    throw new Failure("not a log entry of version 1");
  const count = 256 * bytes[34] + bytes[35];
  const kind = KIND_NAMES.get(bytes[1]);
  if (kind === undefined) throw new Failure(`a log entry of the unknown kind ${bytes[1]}`);
  if (count > RULES.limits.artifacts || bytes.length !== ENTRY_HEADER + 32 * count) {
    throw new Failure(`a log entry of ${bytes.length} bytes that names ${count} artifacts`);
  }
  const artifacts = [];
  for (let at = ENTRY_HEADER; at < bytes.length; at += 32) {
    artifacts.push(toHex(bytes.subarray(at, at + 32)));
  }
  return { kind, envelopeHash: toHex(bytes.subarray(2, 34)), artifacts };
}
