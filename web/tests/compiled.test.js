/** The contexts by wasm decode the conformance set as the plain ones do. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { compiled } from "../src/compiled.js";
import { CodecError, encodeIndices, parse } from "../src/index.js";
import { decode, files, hashOf, partial, priorOf, read } from "./conformance.js";

const wasm = readFileSync(new URL("../wasm/contexts.wasm", import.meta.url));
const names = Object.keys(files).filter((name) => files[name].prior !== "static_prior.safetensors");
const priors = new Map();
for (const name of new Set(names.map((name) => files[name].prior))) {
  const prior = await compiled(priorOf(name), wasm);
  assert.notEqual(prior, priorOf(name), `${name} fits 16 bits`);
  priors.set(name, prior);
}

for (const name of names) {
  test(`${name} decodes to its indices, which code to its payload`, async () => {
    const indices = await decode(read(name), priors.get(files[name].prior));
    assert.equal(hashOf(indices), files[name].indices_sha256);
    const file = parse(read(name));
    const payload = encodeIndices(indices, priors.get(files[name].prior), file.header);
    assert.deepEqual(payload, file.payload);
  });
}

for (const { file, bytes, flipped_bit: bit, ...expected } of partial) {
  test(`${bytes} bytes of ${file}, bit ${bit}: ${expected.stages ?? "no"} stages`, async () => {
    const data = read(file).slice(0, bytes);
    if (bit !== undefined) data[bit >> 3] ^= 0x80 >> (bit & 7);
    const decoding = decode(data, priors.get(files[file].prior), { allowPartial: true });
    if (expected.refused) await assert.rejects(decoding, CodecError);
    else assert.equal(hashOf(await decoding), expected.indices_sha256);
  });
}

test("a prior whose numbers leave 16 bits stays JavaScript", async () => {
  const prior = priorOf("v2_prior.safetensors");
  const [first, ...rest] = prior.stages;
  const large = { ...first, features: first.features.map(() => 2 ** 17) };
  const wide = Object.assign(Object.create(Object.getPrototypeOf(prior)), prior, {
    stages: [large, ...rest],
  });
  assert.equal(await compiled(wide, wasm), wide);
});
