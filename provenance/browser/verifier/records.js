// Records → leaf hashes, and the one digest that names a list of them.

/** Return the RFC 8785 text of an encoding with its parameters. */
function encodingText(encoding) {
  return canonical(new Map(Object.entries(encoding).filter(([, value]) => value !== null)));
}

/** SHA-256("provenance-artifact/v1\n" ‖ u64be size ‖ root ‖ SHA-256(RFC 8785 of the encoding)) */
async function artifactDigest({ root, size, encoding }) {
  const preimage =
    toHex(utf8("provenance-artifact/v1\n")) +
    size.toString(16).padStart(16, "0") +
    root +
    (await sha256(utf8(encodingText(encoding))));
  return sha256(fromHex(preimage));
}

/** Return an encoding with its default parameters: json, line, chunk or file. */
function encodingOf(name) {
  if (!Object.hasOwn(RULES.encodings, name)) throw new InputError(`no encoding ${quoted(name)}`);
  const rule = { form: "Encoding" };
  return decode(rule, readText(RULES.encodings[name], "an encoding"), "the encoding");
}

/** Return the leaf bytes of a record that was typed: JSON, or under `line` the line itself. */
function leafOf(text, encoding) {
  if (encoding.encoding === "line") {
    if (!text.isWellFormed()) throw new Failure("the record holds an unpaired surrogate");
    if (text.includes("\n")) {
      throw new Failure("a record of the encoding 'line' is one line, without its LF");
    }
    return utf8(text);
  }
  if (encoding.encoding === "chunk") {
    throw new Failure("a record of the encoding 'chunk' is bytes: give the file of them");
  }
  const row = parseRow(text);
  if (!(row instanceof Map)) throw new Failure("the record is not an object");
  if (encoding.encoding === "file") checkFileRecord(row, encoding.digest);
  return utf8(canonical(row));
}

function checkFileRecord(row, digest) {
  const members = ["path", digest, "size"];
  if (row.size !== members.length || !members.every((name) => row.has(name))) {
    throw new Failure(`a record of the encoding 'file' has path, ${digest} and size, no others`);
  }
  const [path, value, size] = members.map((name) => row.get(name));
  if (typeof path !== "string" || typeof size !== "number" || size < 0) {
    throw new Failure("the path of a file is a string and its size a whole number");
  }
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) {
    throw new Failure(`the ${digest} of a file is 64 lower-case hex digits`);
  }
}

/**
 * Hash a record that was typed; the encoding is a name, or one of a statement.
 * Returns {leaf, leafHash}: the text that is hashed, and its hash.
 */
async function hashRecord(text, encoding = "json") {
  return asInput(async () => {
    const leaf = leafOf(text, typeof encoding === "string" ? encodingOf(encoding) : encoding);
    return { leaf: fromUtf8(leaf), leafHash: await leafHash(leaf) };
  });
}
