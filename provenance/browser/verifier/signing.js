// Keys and DSSE envelopes: whose signature is valid, in its one form.

const ED25519_SPKI = "302a300506032b6570032100";
const P256_SPKI = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ED25519_PRIME = 2n ** 255n - 19n;
const ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;

/**
 * Return the key of a SubjectPublicKeyInfo in DER: {spki, keyid, raw}, all hex digits.
 * `raw` is null unless it is of Ed25519.
 */
async function publicKey(spki) {
  if (spki.length === 88 && spki.startsWith(ED25519_SPKI)) {
    const raw = spki.slice(ED25519_SPKI.length);
    if (isWeak(raw)) {
      throw new Failure("an Ed25519 key under which everybody can sign, or not in its form");
    }
    return { spki, keyid: await sha256(fromHex(spki)), raw };
  }
  const key = { spki, keyid: await sha256(fromHex(spki)), raw: null };
  if (spki.length !== 182 || !spki.startsWith(P256_SPKI) || !(await imported(key))) {
    throw new Failure("not an Ed25519 or ECDSA P-256 public key in its one form");
  }
  return key;
}

const publicKeyOfRaw = (bytes) => {
  if (bytes.length !== 32) {
    throw new Failure(`an Ed25519 public key has 32 bytes, not ${bytes.length}`);
  }
  return publicKey(ED25519_SPKI + toHex(bytes));
};

const PEM =
  /^[\r\n]*-----BEGIN PUBLIC KEY-----((?:\r?\n[A-Za-z0-9+/=]+)+)\r?\n-----END PUBLIC KEY-----[\r\n]*$/;

/** Read a PEM public key, of whatever line length. */
function publicKeyOfPem(pem) {
  const body = PEM.exec(pem);
  if (!body) throw new Failure("not a PEM public key (-----BEGIN PUBLIC KEY-----)");
  return publicKey(toHex(fromBase64(body[1].replace(/\s/g, ""), "the public key")));
}

/** Whether an Ed25519 point is of small order, or its y not reduced (RFC 8032, 5.1.3). */
function isWeak(raw) {
  const y = littleEndian(fromHex(raw)) & ((1n << 255n) - 1n);
  const weak = [0n, 1n, ORDER_8, ED25519_PRIME - ORDER_8, ED25519_PRIME - 1n];
  return y >= ED25519_PRIME || weak.includes(y);
}

const algorithmOf = (key) =>
  key.raw === null ? { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } : { name: "Ed25519" };

/** Return the key as WebCrypto holds it; null where it is no point of its curve. */
async function imported({ spki, raw }) {
  try {
    return await crypto.subtle.importKey("spki", fromHex(spki), algorithmOf({ raw }), false, [
      "verify",
    ]);
  } catch (error) {
    if (error.name !== "NotSupportedError") return null;
    throw new UnsupportedError(`this browser cannot check ${algorithmOf({ raw }).name} signatures`);
  }
}

/** Check that a signature over `data` is by this key, and in its one form. */
async function checkSignature(key, signature, data) {
  const called = `the signature by key ${key.keyid.slice(0, 16)}`;
  const plain = key.raw === null ? rawSignature(signature, called) : signature;
  const isWhole = plain.length === 64 && (key.raw === null || isReduced(plain));
  const held = isWhole ? await imported(key) : null;
  if (!held || !(await crypto.subtle.verify(algorithmOf(key), held, plain, data))) {
    throw new Failure(`${called} is not valid`);
  }
}

/** Whether the second half of an Ed25519 signature is in its one form: not each browser looks. */
function isReduced(signature) {
  return littleEndian(signature.subarray(32)) < ED25519_ORDER;
}

const littleEndian = (bytes) => BigInt(`0x${toHex(bytes.slice().reverse())}`);

/** Return r ‖ s of an ECDSA signature in DER, as WebCrypto takes it; s must be low. */
function rawSignature(der, called) {
  const [r, s] = derIntegers(der, called);
  if (!(0n < r && r < P256_ORDER && 0n < s && s < P256_ORDER)) {
    throw new Failure(`${called} is out of range`);
  }
  if (s > P256_ORDER - s) throw new Failure(`${called} is not in low-s DER form`);
  return fromHex([r, s].map((number) => number.toString(16).padStart(64, "0")).join(""));
}

/** Read SEQUENCE {INTEGER r, INTEGER s} in DER, so short that each length is one byte. */
function derIntegers(der, called) {
  const integerAt = (at) => {
    const digits = der.subarray(at + 2, at + 2 + der[at + 1]);
    const isShortest = digits[0] === 0 ? digits[1] >= 0x80 : digits[0] < 0x80;
    return der[at] === 2 && digits.length === der[at + 1] && isShortest ? digits : null;
  };
  const r = integerAt(2);
  const s = r && integerAt(4 + r.length);
  const isWhole = s && der.length <= 72 && der.length === 6 + r.length + s.length;
  if (!isWhole || der[0] !== 0x30 || der[1] !== der.length - 2) {
    throw new Failure(`${called} is not in DER`);
  }
  return [r, s].map((digits) => BigInt(`0x${toHex(digits)}`));
}

// --- DSSE ----------------------------------------------------------------------------------------

/** Read the one byte form of an envelope: {payload, payloadType, signatures}. */
function parseEnvelope(bytes) {
  const value = parseCanonical(bytes, "the envelope", RULES.limits.envelope);
  const envelope = decode({ form: "Envelope" }, value, "envelope", true);
  const keyids = envelope.signatures.map((signature) => signature.keyid);
  if (!(1 <= keyids.length && keyids.length <= RULES.limits.signatures)) {
    throw new Failure(
      `an envelope has 1 to ${RULES.limits.signatures} signatures, not ${keyids.length}`,
    );
  }
  if (!isSortedSet(keyids)) {
    throw new Failure("the envelope's signatures are not sorted by keyid, one per key");
  }
  return envelope;
}

/** Return the keyids of those of `keys` that signed; where one of their signatures fails, fail. */
async function verifiedBy(envelope, keys) {
  const known = new Map(keys.map((key) => [key.keyid, key]));
  const head = utf8(
    `DSSEv1 ${utf8(envelope.payloadType).length} ${envelope.payloadType} ${envelope.payload.length} `,
  );
  const message = joined([head, envelope.payload]);
  const verified = new Set();
  for (const { keyid, sig } of envelope.signatures) {
    if (!known.has(keyid)) continue;
    await checkSignature(known.get(keyid), sig, message);
    verified.add(keyid);
  }
  return verified;
}
