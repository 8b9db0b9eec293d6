// Key statements, and standing: which keys count at which place of the log, what was superseded.

const KEY_FIELDS = {
  genesis: { needed: ["origin", "logKey", "adminKeys"], allowed: ["accounts"] },
  add: { needed: ["publicKey"], allowed: ["kinds"] },
  revoke: { needed: ["keyid", "reason"], allowed: ["compromisedSince"] },
  rotate: { needed: ["publicKey", "replaces"], allowed: ["reason"] },
};
const ALL_KEY_FIELDS = [
  ...new Set(Object.values(KEY_FIELDS).flatMap(({ needed, allowed }) => [...needed, ...allowed])),
].sort();

async function checkKey(key, subjects) {
  const { needed, allowed } = KEY_FIELDS[key.action];
  for (const name of ALL_KEY_FIELDS) {
    const given = key[name] !== null;
    if (given && ![...needed, ...allowed].includes(name)) {
      refuse(`a ${quoted(key.action)} of a key has no ${name}`);
    }
    if (given && !key[name].length) refuse(`${name} is empty; leave it out instead`);
    if (!given && needed.includes(name)) refuse(`a ${quoted(key.action)} of a key needs ${name}`);
  }
  if (key.origin !== null && !key.logKey.startsWith(`${key.origin}+`)) {
    refuse(`the log's key is not named ${quoted(key.origin)}, as the log`);
  }
  if (key.compromisedSince !== null) checkTime(key.compromisedSince, "compromisedSince");
  if (key.kinds !== null && !isSortedSet(key.kinds)) {
    refuse("the kinds are not sorted, or one stands twice");
  }
  if (key.adminKeys !== null) {
    const keyids = await Promise.all(key.adminKeys.map(keyidOfPem));
    if (new Set(keyids).size !== keyids.length) refuse("an admin key stands twice");
  }
  const keyid = await subjectKeyid(key);
  if (key.replaces === keyid) refuse("a key cannot replace itself");
  const [{ name, digest }] = subjects;
  if (subjects.length !== 1 || digest.size !== 1 || digest.get("sha256") !== keyid) {
    refuse(`the one subject of this key statement has the sha256 ${keyid}`);
  }
  if (key.action === "genesis" && name !== key.origin) {
    refuse(`the subject of a genesis is named ${quoted(key.origin)}, as the log`);
  }
}

/** Return the keyid of the key that a key statement is about: of the log's key, for a genesis. */
async function subjectKeyid({ logKey, publicKey: pem, keyid }) {
  if (logKey !== null) return keyidOfVkey(logKey);
  return pem === null ? keyid : keyidOfPem(pem);
}

const PEM_HEAD = "-----BEGIN PUBLIC KEY-----\n";
const PEM_TAIL = "-----END PUBLIC KEY-----\n";

/** Return SHA-256 of the DER within the one PEM form of a public key (RFC 7468). */
async function keyidOfPem(pem) {
  const isPem =
    pem.startsWith(PEM_HEAD) &&
    pem.endsWith(`\n${PEM_TAIL}`) &&
    pem.length > PEM_HEAD.length + PEM_TAIL.length;
  if (!isPem) refuse("not a PEM public key (-----BEGIN PUBLIC KEY-----)");
  const body = pem.slice(PEM_HEAD.length, -PEM_TAIL.length);
  const text = body.replaceAll("\n", "");
  const der = fromBase64(text, "the public key");
  if (body !== text.replace(/.{1,64}/g, "$&\n")) {
    refuse("the public key is PEM with lines of other than 64 characters");
  }
  return sha256(der);
}

async function keyidOfVkey(vkey) {
  const parts = vkey.split("+");
  const material = fromBase64(
    parts.slice(Math.min(2, parts.length - 1)).join("+"),
    "the key of the vkey",
  );
  if (parts.length < 3 || material.length !== 33 || material[0] !== NOTE_KEY) {
    refuse(`not a vkey of an Ed25519 key: ${quoted([...vkey].slice(0, 80).join(""))}`);
  }
  return sha256(fromHex(ED25519_SPKI + toHex(material.subarray(1))));
}

// --- standing ------------------------------------------------------------------------------------

/** A statement by somebody who is not entitled to make it. */
class StandingError extends Failure {}

/** Read an RFC 3339 time: in microseconds since 1970, the rest cut off, and as it is shown. */
function readTime(time) {
  const fraction = (/\.([0-9]+)/.exec(time)?.[1] ?? "").padEnd(6, "0").slice(0, 6);
  const second = time.slice(0, 19);
  const moment = BigInt(new Date(`${second}Z`).getTime()) * 1000n + BigInt(fraction);
  return { moment, shown: second.replace("T", " ") };
}

/** What the log says of keys and corrections, fed with its entries in order. */
class Standing {
  constructor(admins) {
    this.admins = new Map(admins.map((key) => [key.keyid, key]));
    this.keys = new Map(); // keyid → {key, changes: [[index, kinds or null]], since}
    this.superseded = new Map(); // artifact digest → {index, replacement, reason}
  }

  /** Return the ids of known keys with a valid signature on an envelope. */
  signers(envelope) {
    const known = ({ keyid }) => this.admins.get(keyid) ?? this.keys.get(keyid)?.key;
    return verifiedBy(envelope, envelope.signatures.map(known).filter(Boolean));
  }

  /** Say why a key cannot sign a statement of `kind` at entry `index`; null if it can. */
  whyNot(keyid, kind, index) {
    const before = (this.keys.get(keyid)?.changes ?? []).filter(([at]) => at < index);
    const short = keyid.slice(0, 16);
    if (!before.length) return `key ${short} was not added before entry ${index}`;
    const [at, kinds] = before[before.length - 1];
    if (kinds === null) return `key ${short} was revoked at entry ${at}`;
    if (kinds.length && !kinds.includes(kind)) {
      return `key ${short} was added for ${[...kinds].sort().join(", ")}, not for ${kind}`;
    }
    return null;
  }

  /** Return the earliest time from which a revocation calls a key compromised, or null. */
  compromisedSince(keyid) {
    return this.keys.get(keyid)?.since ?? null;
  }

  isRevoked(keyid) {
    const changes = this.keys.get(keyid)?.changes;
    return changes !== undefined && changes[changes.length - 1][1] === null;
  }

  /** Take in a `key` or `supersede` statement that stands at entry `index`. */
  async apply(index, { kind, predicate, artifacts }, signers, originalSigners) {
    const byAdmin = [...signers].some((keyid) => this.admins.has(keyid));
    const entitled = new Set([...signers].filter((keyid) => !this.isRevoked(keyid)));
    if (kind === "key") await this.applyKey(index, predicate, entitled, byAdmin);
    if (kind !== "supersede") return;
    if (!byAdmin && ![...entitled].some((keyid) => originalSigners.has(keyid))) {
      throw new StandingError(
        `entry ${index} supersedes an artifact, but neither an admin key nor an original signer signed it`,
      );
    }
    const replacement = predicate.replacement?.name ?? null;
    this.superseded.set(artifacts[0], { index, replacement, reason: predicate.reason });
  }

  async applyKey(index, said, signers, byAdmin) {
    const refuse = (why) => {
      throw new StandingError(why);
    };
    if (said.action === "genesis") {
      if (index !== 0 || !byAdmin) refuse("a genesis is entry 0 and signed by an admin key");
      return;
    }
    if (said.action === "add") {
      if (!byAdmin) refuse(`entry ${index} adds a key, but no admin key signed it`);
      if (this.compromisedSince(await subjectKeyid(said)) !== null) {
        refuse(`entry ${index} adds a key that was compromised: make a new one`);
      }
      await this.add(index, said, said.kinds ?? []);
      return;
    }
    const keyid = said.action === "revoke" ? said.keyid : said.replaces;
    const history = this.keys.get(keyid);
    if (!history) refuse(`entry ${index} revokes a key that was never added: ${keyid}`);
    if (!byAdmin && !signers.has(keyid)) {
      refuse(
        `entry ${index} revokes key ${keyid}, but neither an admin key nor the key itself, ` +
          "not revoked yet, signed it",
      );
    }
    if (said.action === "rotate") {
      const kinds = history.changes[history.changes.length - 1][1];
      if (kinds === null) refuse(`entry ${index} rotates a key that was revoked before`);
      if (this.keys.has(await subjectKeyid(said))) {
        refuse(`entry ${index} rotates to a key that the log knows already`);
      }
      await this.add(index, said, kinds);
    }
    history.changes.push([index, null]);
    if (said.compromisedSince !== null) {
      const since = readTime(said.compromisedSince);
      if (history.since === null || since.moment < history.since.moment) history.since = since;
    }
  }

  async add(index, said, kinds) {
    let key;
    try {
      key = await publicKeyOfPem(said.publicKey);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      throw new StandingError(`entry ${index} adds what cannot be used: ${error.message}`);
    }
    if (!this.keys.has(key.keyid)) this.keys.set(key.keyid, { key, changes: [], since: null });
    this.keys.get(key.keyid).changes.push([index, kinds]);
  }
}
