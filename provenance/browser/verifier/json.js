// JSON texts, strictly (RFC 8259), and in their one form (RFC 8785).
//
// `JSON.parse` loses the digits of large integers and all but the last of equal names, and cannot
// tell 1 from 1.0. Here an object is a Map, so that no name means anything to JavaScript; an
// integer up to 2^53-1 is a number, and everything else that JSON calls a number is a `Double`.

const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
const MAX_DEPTH = 64;

class Double {
  constructor(value) {
    this.value = value;
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y;
const ESCAPES = new Map([...'"\\/bfnrt'].map((char, at) => [char, '"\\/\b\f\n\r\t'[at]]));

class JsonReader {
  /** Read `text`, called `what` in errors; `beyond` says what an integer beyond 2^53-1 becomes. */
  constructor(text, what, beyond) {
    this.text = text;
    this.what = what;
    this.beyond = beyond;
    this.at = 0;
    this.depth = 0;
  }

  read() {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) this.fail("Extra data");
    return value;
  }

  fail(why) {
    throw new Failure(`${this.what} is not JSON: ${why} at character ${this.at + 1}`);
  }

  space() {
    while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at++;
  }

  value() {
    this.space();
    const { text, at } = this;
    switch (text[at]) {
      case "{":
        return this.nested(() => this.object());
      case "[":
        return this.nested(() => this.list());
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  nested(read) {
    if (++this.depth > MAX_DEPTH) {
      throw new Failure(`${this.what} nests deeper than ${MAX_DEPTH} levels`);
    }
    this.at++;
    this.space();
    const value = read();
    this.depth--;
    return value;
  }

  /** Go past one of these characters, and return it. */
  past(...chars) {
    this.space();
    const char = this.text[this.at];
    if (!chars.includes(char)) this.fail(`Expecting ${quoted(chars[0])}`);
    this.at++;
    return char;
  }

  object() {
    const members = new Map();
    if (this.text[this.at] === "}") {
      this.at++;
      return members;
    }
    do {
      this.space();
      if (this.text[this.at] !== '"')
        this.fail("Expecting property name enclosed in double quotes");
      const name = this.string();
      if (members.has(name)) {
        throw new Failure(`${this.what} names ${quotedName(name)} twice in one object`);
      }
      this.past(":");
      members.set(name, this.value());
    } while (this.past(",", "}") === ",");
    return members;
  }

  list() {
    const items = [];
    if (this.text[this.at] === "]") {
      this.at++;
      return items;
    }
    do {
      items.push(this.value());
    } while (this.past(",", "]") === ",");
    return items;
  }

  string() {
    const { text } = this;
    let [value, start, escaped] = ["", ++this.at, false];
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code === 0x22) break;
      if (!(code >= 0x20)) this.fail("Invalid control character or unterminated string");
      if (code === 0x5c) {
        value += text.slice(start, this.at) + this.escape();
        start = this.at;
        escaped = true;
      } else {
        this.at++;
      }
    }
    value += text.slice(start, this.at++);
    if (escaped && !value.isWellFormed()) {
      throw new Failure(`${this.what} holds an unpaired surrogate`);
    }
    return value;
  }

  escape() {
    const char = this.text[this.at + 1];
    const digits = this.text.slice(this.at + 2, this.at + 6);
    if (ESCAPES.has(char)) {
      this.at += 2;
      return ESCAPES.get(char);
    }
    if (char !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits)) this.fail("Invalid \\escape");
    this.at += 6;
    return String.fromCharCode(parseInt(digits, 16));
  }

  word(word, value) {
    if (!this.text.startsWith(word, this.at)) this.fail("Expecting value");
    this.at += word.length;
    return value;
  }

  number() {
    NUMBER.lastIndex = this.at;
    const [token, fraction] = NUMBER.exec(this.text) ?? this.fail("Expecting value");
    this.at += token.length;
    const value = Number(token);
    if (fraction) {
      if (Number.isFinite(value)) return new Double(value);
      const shown = token.slice(0, 24);
      throw new Failure(`${this.what} holds a number beyond the range of a double: ${shown}`);
    }
    if (Math.abs(value) <= MAX_INTEGER) return value + 0; // -0 is 0
    // RFC 8785 writes a double from 2^53 to 1e21 without a point. It is read as that double.
    return String(value) === token ? new Double(value) : this.beyond(token);
  }
}

/** Read one JSON text from bytes; of at most `cap` of them. */
function parseJson(bytes, what, cap) {
  return readText(textOf(bytes, what, cap), what);
}

/** Read a JSON text that is RFC 8785: no other bytes, even such that mean the same. */
function parseCanonical(bytes, what, cap) {
  const text = textOf(bytes, what, cap);
  const value = readText(text, what);
  if (canonical(value) !== text) throw new Failure(`${what} is not in canonical form (RFC 8785)`);
  return value;
}

function textOf(bytes, what, cap) {
  if (bytes.length > cap) {
    throw new Failure(
      `${what} is ${grouped(bytes.length)} bytes long; at most ${grouped(cap)} are read`,
    );
  }
  const text = fromUtf8(bytes);
  if (text === null) throw new Failure(`${what} is not UTF-8`);
  return text;
}

function readText(text, what) {
  const refuse = (token) => {
    throw new Failure(`${what} holds an integer beyond 2^53-1: ${token.slice(0, 24)}`);
  };
  return new JsonReader(text, what, refuse).read();
}

/** Read the text of a row: an integer that no double is the text of becomes a string. */
function parseRow(text, what = "the record") {
  if (!text.isWellFormed()) throw new Failure(`${what} holds an unpaired surrogate`);
  return new JsonReader(text, what, (token) => token).read();
}

/** Return the RFC 8785 text of what a reader above returned. */
function canonical(value) {
  if (typeof value === "string") return JSON.stringify(value); // escapes what RFC 8785 does
  if (value instanceof Double) return String(value.value); // the standard is JavaScript's own form
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!(value instanceof Map)) return String(value); // an integer, true, false, null
  const names = [...value.keys()].sort(); // by UTF-16 code units (section 3.2.3)
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value.get(name))}`).join(",")}}`;
}
