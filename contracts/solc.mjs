#!/usr/bin/env node
// The pinned npm `solc` behind the two options of the native one that py-solc-x, forge and slither use:
// `--version`, and `--standard-json` (JSON on stdin, JSON on stdout). Plain `solcjs --standard-json`
// prints a line about SMT solvers before the JSON, which breaks every parser.
// `--base-path`, `--include-path` and `--allow-paths` are taken and ignored: every source comes inline.

import { readFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";

const OPTIONS_WITH_VALUE = ["--base-path", "--include-path", "--allow-paths"];

/** Write all of it, however long: the other end may be a pipe that takes 64 KiB at a time. */
function print(text) {
  let rest = Buffer.from(text, "utf8");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function fail(message) {
  process.stderr.write(`solc.mjs: ${message}\n`);
  process.exit(2);
}

let mode = null;
const options = process.argv.slice(2);
while (options.length > 0) {
  const option = options.shift();
  if (option === "--version" || option === "--standard-json") mode = option;
  else if (OPTIONS_WITH_VALUE.includes(option)) options.shift();
  else if (option !== "-") fail(`unknown option ${option}`);
}
if (mode === null) fail("one of --version, --standard-json is needed");

const solc = createRequire(import.meta.url)("solc");
if (mode === "--version") {
  print(`solc, the solidity compiler\nVersion: ${solc.version()}\n`);
} else {
  print(solc.compile(readFileSync(0, "utf8")));
}
