// An anchor, checked over JSON-RPC at a node of its chain that the reader of the page named.

/** The chain's word cannot be had: undecided. */
class ChainError extends Error {}

/** The node is there, and will not: an error object, or an HTTP status of 4xx. */
class NodeRefusedError extends ChainError {}

const LIMIT_EXCEEDED = -32005; // EIP-1474: says nothing of the chain, only "not now"
const SECONDS = 10; // for one exchange

class RpcReader {
  constructor(url) {
    let parts = null;
    try {
      parts = new URL(url);
    } catch {
      // said below
    }
    if (!parts || !/^https?:$/.test(parts.protocol) || parts.username || parts.password) {
      throw new InputError("the URL of a node is http:// or https://, a host, perhaps a path");
    }
    this.url = parts.href;
    this.name = parts.origin; // no more: paths and queries of such URLs carry keys
  }

  async ask(method, ...params) {
    const answer = await this.answer(method, params);
    const error = answer.get("error") ?? null;
    if (error !== null) {
      const said =
        error instanceof Map && typeof error.get("message") === "string"
          ? error.get("message")
          : "";
      const refused = `${this.name} refuses ${method}: ${quoted(said.slice(0, 200))}`;
      if (error instanceof Map && error.get("code") === LIMIT_EXCEEDED)
        throw new ChainError(refused);
      throw new NodeRefusedError(refused);
    }
    return answer.has("result") ? answer.get("result") : this.garbage(method);
  }

  async answer(method, params) {
    const question = { id: 1, jsonrpc: "2.0", method, params };
    let body;
    try {
      const response = await fetch(this.url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(question),
        redirect: "error",
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(1000 * SECONDS),
      });
      if (!response.ok) {
        const later = response.status === 429 || response.status >= 500;
        throw new (later ? ChainError : NodeRefusedError)(
          `${this.name} answers HTTP ${response.status}`,
        );
      }
      body = await this.bodyOf(response);
    } catch (error) {
      if (error instanceof ChainError) throw error;
      if (error.name === "TimeoutError")
        throw new ChainError(`${this.name} takes longer than 10 s`);
      throw new ChainError(`${this.name} does not answer, or not to pages (CORS)`);
    }
    try {
      const answer = parseJson(body, `the answer of ${this.name}`, RULES.limits.answer);
      return answer instanceof Map && answer.get("id") === 1 ? answer : this.garbage(method);
    } catch (error) {
      throw error instanceof Failure ? new ChainError(error.message) : error;
    }
  }

  async bodyOf(response) {
    const parts = [];
    let length = 0;
    const reader = response.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      parts.push(piece.value);
      length += piece.value.length;
      if (length > RULES.limits.answer) {
        throw new ChainError(
          `${this.name} answers more than ${grouped(RULES.limits.answer)} bytes`,
        );
      }
    }
    return joined(parts);
  }

  garbage(what) {
    throw new ChainError(`${this.name} answers something else for ${what}`);
  }

  /** Read a number: 0x and hex digits without leading zeros. Beyond 2^53 it is rounded. */
  quantity(value, what) {
    const isQuantity =
      typeof value === "string" && /^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})$/.test(value);
    return isQuantity ? Number(value) : this.garbage(what);
  }

  /** Read bytes, as lower-case hex digits. */
  bytes(value, what) {
    const isBytes =
      typeof value === "string" && value.length % 2 === 0 && /^0x[0-9a-fA-F]*$/.test(value);
    return isBytes ? value.slice(2).toLowerCase() : this.garbage(what);
  }

  member(value, name) {
    return value instanceof Map ? this.quantity(value.get(name), name) : this.garbage(name);
  }

  async finalized() {
    try {
      const block = await this.ask("eth_getBlockByNumber", "finalized", false);
      return block === null ? null : this.member(block, "number");
    } catch (error) {
      if (error instanceof NodeRefusedError) return null; // a chain without such a notion
      throw error;
    }
  }

  async blockTime(number) {
    const block = await this.ask("eth_getBlockByNumber", `0x${number.toString(16)}`, false);
    if (block === null) throw new ChainError(`${this.name} knows no block ${number}`);
    const answered = this.member(block, "number");
    if (answered !== number) {
      throw new ChainError(`${this.name} answers block ${answered} instead of ${number}`);
    }
    return this.member(block, "timestamp");
  }

  /** Return "size root", both hex, of each head that the contract reports in one block. */
  async anchored({ contract, ledgerId }, number) {
    const block = `0x${number.toString(16)}`;
    const topics = [`0x${RULES.contract.anchored}`, `0x${ledgerId}`];
    const logs = await this.ask("eth_getLogs", {
      fromBlock: block,
      toBlock: block,
      address: contract,
      topics,
    });
    if (!Array.isArray(logs)) this.garbage("eth_getLogs");
    return logs.map((log) => {
      const named = log instanceof Map ? log.get("topics") : null;
      if (!Array.isArray(named) || named.length !== 3 || log.get("removed") === true) {
        this.garbage("eth_getLogs");
      }
      const [topic, ledger, size] = named.map((value) => this.bytes(value, "eth_getLogs"));
      const data = this.bytes(log.get("data"), "eth_getLogs");
      const address = log.get("address");
      const isOurs =
        typeof address === "string" &&
        address.toLowerCase() === contract &&
        this.member(log, "blockNumber") === number &&
        `0x${topic}` === topics[0] &&
        `0x${ledger}` === topics[1] &&
        size.length === 64 &&
        data.length === 128;
      return isOurs ? `${size} ${data.slice(0, 64)}` : this.garbage("eth_getLogs");
    });
  }
}

/** Check that the chain bears out an anchor; its chain, contract and ledger id are those of `pin`. */
async function checkAnchor(anchor, pin, reader) {
  const chainId = reader.quantity(await reader.ask("eth_chainId"), "eth_chainId");
  if (chainId !== pin.chainId) {
    throw new ChainError(`${reader.name} is on chain ${chainId}; the policy pins ${pin.chainId}`);
  }
  const { contract } = pin;
  const code = reader.bytes(await reader.ask("eth_getCode", contract, "latest"), "eth_getCode");
  if (!code) refuse(`there is no contract at ${contract} on ${reader.name}`);
  const digest = await sha256(fromHex(code));
  if (digest !== pin.codeSha256) {
    refuse(
      `the code of ${contract} on ${reader.name} has SHA-256 ${digest}; the policy pins ${pin.codeSha256}`,
    );
  }
  const size = anchor.size.toString(16).padStart(64, "0");
  const data = `0x${RULES.contract.rootAt}${pin.ledgerId}${size}`;
  const root = reader.bytes(
    await reader.ask("eth_call", { data, to: contract }, "latest"),
    "eth_call",
  );
  if (root.length !== 64) {
    throw new ChainError(`${reader.name} answers ${root.length / 2} bytes for ${contract}, not 32`);
  }
  if (/^0*$/.test(root)) refuse(`the contract ${contract} has no root at size ${anchor.size}`);
  if (root !== anchor.root) {
    refuse(
      `the contract ${contract} has the root ${root} at size ${anchor.size}, not ${anchor.root}`,
    );
  }
  const head = reader.quantity(await reader.ask("eth_blockNumber"), "eth_blockNumber");
  if (anchor.block > head) {
    refuse(`the anchor names block ${anchor.block}; ${reader.name} is at ${head}`);
  }
  if (!(await reader.anchored(pin, anchor.block)).includes(`${size} ${root}`)) {
    refuse(`block ${anchor.block} of ${reader.name} does not anchor this root`);
  }
  const confirmations = head - anchor.block + 1;
  if (confirmations < pin.confirmations) {
    refuse(
      `block ${anchor.block} has ${confirmations} of ${pin.confirmations} confirmations; ` +
        "wait for more blocks",
    );
  }
  const blockTime = await reader.blockTime(anchor.block);
  if (blockTime >= RULES.limits.year10000) {
    throw new ChainError(`${reader.name} gives block ${anchor.block} the time ${blockTime}`);
  }
  const finalized = await reader.finalized();
  return { blockTime, confirmations, final: finalized === null ? null : anchor.block <= finalized };
}
