// Files as lists of records, read by slices: nothing larger than a few of them is ever in memory.

const SLICE = 1 << 20;
const AT_ONCE = 16 << 20; // bytes of chunks that are hashed side by side
const MAX_LINE = 64 << 20;

// Bytes of the largest file of which there is a plain SHA-256: WebCrypto hashes what is held whole.
const MOST_HELD = 512 << 20;

async function sliceOf(file, start, end) {
  try {
    return new Uint8Array(await file.slice(start, end).arrayBuffer());
  } catch (error) {
    throw new InputError(`${nameOf(file)} cannot be read: ${error.message}`);
  }
}

const nameOf = (file) => (file.name ? quoted(file.name) : "the file");

/** Yield the leaf hash of each record of a file, and how many bytes were read by then. */
async function* leafHashesOf(file, encoding) {
  if (encoding.encoding === "chunk") {
    yield* chunkHashes(file, encoding.chunkSize);
    return;
  }
  if (encoding.encoding === "file") {
    throw new InputError(`${nameOf(file)} is not a folder; the encoding 'file' is for folders`);
  }
  const isJson = encoding.encoding === "json";
  if (isJson && file.name && !/\.jsonl$/i.test(file.name)) {
    throw new InputError(
      `${nameOf(file)} is not JSONL, the one form of tables that is read here: give one record`,
    );
  }
  let number = 0;
  for await (const [line, done] of linesOf(file)) {
    number++;
    yield [await leafHash(isJson ? rowOf(line, `${nameOf(file)}, row ${number}`) : line), done];
  }
}

function rowOf(line, where) {
  const text = fromUtf8(line);
  if (text === null) throw new InputError(`${where} is not UTF-8`);
  try {
    const row = parseRow(text, where);
    if (!(row instanceof Map)) throw new Failure(`${where} is not an object`);
    return utf8(canonical(row));
  } catch (error) {
    throw error instanceof Failure ? new InputError(error.message) : error;
  }
}

async function* chunkHashes(file, chunkSize) {
  const together = Math.max(1, Math.floor(AT_ONCE / chunkSize)) * chunkSize;
  for (let start = 0; start < file.size; start += together) {
    const end = Math.min(start + together, file.size);
    const starts = [];
    for (let at = start; at < end; at += chunkSize) starts.push(at);
    const hash = async (at) => leafHash(await sliceOf(file, at, Math.min(at + chunkSize, end)));
    for (const leaf of await Promise.all(starts.map(hash))) yield [leaf, end];
  }
}

/** Yield the bytes between LFs; a CR stays, and the final LF ends no further line. */
async function* linesOf(file) {
  let rest = [];
  let length = 0;
  for (let start = 0; start < file.size; start += SLICE) {
    const slice = await sliceOf(file, start, Math.min(start + SLICE, file.size));
    let begin = 0;
    for (let at = slice.indexOf(10); at >= 0; at = slice.indexOf(10, begin)) {
      yield [joined([...rest, slice.subarray(begin, at)]), start + at + 1];
      [rest, length, begin] = [[], 0, at + 1];
    }
    if (begin < slice.length) rest.push(slice.subarray(begin));
    length += slice.length - begin;
    if (length > MAX_LINE) {
      throw new InputError(`${nameOf(file)} has a line longer than ${grouped(MAX_LINE)} bytes`);
    }
  }
  if (rest.length) yield [joined(rest), file.size];
}

/** SHA-256 of the whole file; null where it is too large to be held. */
async function plainSha256(file) {
  return file.size <= MOST_HELD ? sha256(await sliceOf(file, 0, file.size)) : null;
}

/**
 * Hash a file as the artifact that it is under an encoding, a name or one of a statement.
 *
 * Returns {root, size, encoding, digest, sha256}: digest is the artifact digest, and sha256 that of
 * the bytes, null where a browser cannot hold them. `onProgress(bytes read, bytes)` is called now
 * and then.
 */
async function hashFile(file, { encoding = "chunk", onProgress = null } = {}) {
  const chosen = typeof encoding === "string" ? encodingOf(encoding) : encoding;
  const frontier = new Frontier();
  for await (const [leaf, done] of leafHashesOf(file, chosen)) {
    await frontier.append(leaf);
    onProgress?.(done, file.size);
  }
  const artifact = { root: await frontier.root(), size: frontier.size, encoding: chosen };
  const digest = await artifactDigest(artifact);
  return { ...artifact, digest, sha256: await plainSha256(file) };
}
