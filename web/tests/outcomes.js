/**
 * What becomes of files: for each line {prior, data: base64} of standard input a line of what
 * decoding gives, by plain JavaScript and by wasm, whole and in part.
 */

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { watchMemory } from "./memory.js";

const memory = watchMemory(); // before the modules under test are loaded
const { priorOf, sha256 } = await import("./conformance.js");
const { CodecError, DEFAULT_LIMITS, alphaPlane, decodeIndices, parse, unpackMetadata } = await import(
  "../src/index.js"
);
const { compiled } = await import("../src/compiled.js");

const limits = { ...DEFAULT_LIMITS, maxPixels: Number(process.argv[2]) };
const wasm = readFileSync(new URL("../wasm/contexts.wasm", import.meta.url));
const priors = new Map();

/** @param {string} name */
async function implementations(name) {
  if (!priors.has(name)) {
    const plain = priorOf(name);
    priors.set(name, "levels" in plain ? [plain, await compiled(plain, wasm)] : [plain]);
  }
  return priors.get(name);
}

async function outcome(data, prior, allowPartial) {
  try {
    const file = parse(data, limits);
    const indices = decodeIndices(file, prior, { allowPartial });
    const { height, width } = file.header;
    const alpha = (await alphaPlane(file.chunks, height, width)) ?? new Uint8Array(0);
    const metadata = Array.from(await unpackMetadata(file.chunks)).sort();
    const parts = [...indices, alpha, ...metadata.map(([, bytes]) => bytes)];
    const hashes = parts.map((part) => sha256(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
    return { stages: indices.length, sha256: sha256(hashes.join()) };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    return { refused: error.name, sentence: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { prior, data } = JSON.parse(line);
  const file = new Uint8Array(Buffer.from(data, "base64"));
  memory.forget();
  const found = [];
  for (const implementation of await implementations(prior)) {
    const [whole, part] = [await outcome(file, implementation, false), await outcome(file, implementation, true)];
    found.push({ whole, part });
  }
  console.log(JSON.stringify({ found, bytes: memory.largest() }));
}
