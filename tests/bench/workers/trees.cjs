// node trees.cjs PEER FILE COUNT: as trees.py, for the peers of npm. Neither has the form of
// RFC 9162; the first hashes by Keccak-256, the second is given SHA-256 of OpenSSL.
const { createHash } = require("node:crypto");
const { openSync, readSync } = require("node:fs");

const RECORD = 200;
const sha256 = (data) => createHash("sha256").update(data).digest();

const contestants = {
  "@openzeppelin/merkle-tree": (records) => {
    const { StandardMerkleTree } = require("@openzeppelin/merkle-tree");
    return () => StandardMerkleTree.of(records.map((record) => [record]), ["bytes"]).root;
  },
  merkletreejs: (records) => {
    const { MerkleTree } = require("merkletreejs");
    return () => new MerkleTree(records, sha256, { hashLeaves: true }).getHexRoot();
  },
};

const [peer, path, number] = process.argv.slice(2);
const count = Number(number);
const data = Buffer.alloc(count * RECORD);
readSync(openSync(path), data, 0, data.length, 0);
const records = Array.from({ length: count }, (_, i) => data.subarray(i * RECORD, (i + 1) * RECORD));
const build = contestants[peer](records);
const begin = process.hrtime.bigint();
const before = process.cpuUsage();
const root = build();
const used = process.cpuUsage(before);
const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
const processor = (used.user + used.system) / 1e6;
console.log(JSON.stringify({ parts: { "": [count, seconds], processor: [count, processor] }, root }));
