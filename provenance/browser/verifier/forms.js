// JSON values → forms, by the rules that Python's dataclasses give (`RULES`, written by rules.py).
//
// A form becomes an object without a prototype that has the fields of its rule and no others; its
// names are those of JSON. Hashes stay texts of hex digits, base64 becomes bytes, dicts stay Maps,
// and what may lack, and does, has its default or is null.

const PATTERNS = new Map();

function matches(pattern, text) {
  if (!PATTERNS.has(pattern)) PATTERNS.set(pattern, new RegExp(`^(?:${pattern})$`, "u"));
  return PATTERNS.get(pattern).test(text);
}

/**
 * Read a value by a rule.
 *
 * `what` is the path named in errors. Where `whole`, nothing that would be written may be left out,
 * also where it has a default: so it has one text.
 */
function decode(rule, value, what, whole = false) {
  const refuse = (why) => {
    throw new Failure(what + why);
  };
  if (rule.form) return decodeForm(rule.form, value, what, whole);
  if (rule.list) {
    if (!Array.isArray(value)) refuse(" must be a list");
    return value.map((item, at) => decode(rule.list, item, `${what}[${at}]`, whole));
  }
  if (rule.map) {
    if (!(value instanceof Map)) refuse(" must be an object");
    const read = ([name, item]) => [
      name,
      decode(rule.map, item, `${what}[${quotedName(name)}]`, whole),
    ];
    return new Map([...value].map(read));
  }
  if (rule.one) {
    if (!rule.one.includes(value)) refuse(` must be one of ${rule.one.map(quoted).join(", ")}`);
  } else if (rule.hex) {
    const isHex =
      typeof value === "string" && value.length === 2 * rule.hex && /^[0-9a-f]*$/.test(value);
    if (!isHex) refuse(` must be ${2 * rule.hex} lower-case hex digits`);
  } else if (rule.pattern) {
    if (typeof value !== "string" || !matches(rule.pattern, value)) refuse(` must be ${rule.what}`);
  } else if (rule.plain === "bytes") {
    return fromBase64(typeof value === "string" ? value : "=", what);
  } else if (rule.plain === "str") {
    if (typeof value !== "string") refuse(" must be a string");
  } else if (rule.plain === "bool") {
    if (typeof value !== "boolean") refuse(" must be true or false");
  } else if (rule.plain === "int") {
    if (typeof value !== "number" || value < 0) refuse(" must be a whole number from 0 to 2^53-1");
  } else if (rule.plain !== "any") {
    throw new TypeError(`no such rule: ${JSON.stringify(rule)}`);
  }
  return value;
}

function decodeForm(name, value, what, whole) {
  const fields = RULES.forms[name];
  if (!(value instanceof Map)) throw new Failure(`${what} must be an object`);
  for (const given of value.keys()) {
    if (!fields.some((field) => field.name === given)) {
      const known = fields
        .map((field) => field.name)
        .sort(byCodePoints)
        .join(", ");
      throw new Failure(`${what} has an unknown field ${quotedName(given)}; known are ${known}`);
    }
  }
  const form = Object.create(null);
  for (const field of fields) {
    const member = value.get(field.name);
    if (member === null) throw new Failure(`${what}.${field.name} is null; leave it out instead`);
    if (member !== undefined) {
      form[field.name] = decode(field.rule, member, `${what}.${field.name}`, whole);
    } else if (!field.lack || (whole && field.default !== null)) {
      throw new Failure(`${what} lacks the field ${quoted(field.name)}`);
    } else {
      form[field.name] =
        field.default === null
          ? null
          : decode(field.rule, readText(field.default, "a default"), what);
    }
  }
  if (Object.hasOwn(CHECKS, name)) CHECKS[name](form);
  return form;
}

/** Return the JSON value of a form that could be read from `value`: with its defaults written. */
function written(rule, value) {
  if (rule.list) return value.map((item) => written(rule.list, item));
  if (rule.map) return new Map([...value].map(([name, item]) => [name, written(rule.map, item)]));
  if (!rule.form) return value;
  const members = new Map();
  for (const field of RULES.forms[rule.form]) {
    const given = value.get(field.name);
    if (given !== undefined) members.set(field.name, written(field.rule, given));
    else if (field.default !== null) members.set(field.name, readText(field.default, "a default"));
  }
  return members;
}
