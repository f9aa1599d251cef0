import assert from "node:assert/strict";
import { test } from "node:test";

import { alphaPlane, encodeIndices, parse, storedSeed, unpackMetadata, write } from "../src/index.js";
import { decode, files, hashOf, partial, priorOf, read, refused, sha256 } from "./conformance.js";

for (const [name, expected] of Object.entries(files)) {
  test(`${name} decodes to its indices, and is written again`, async () => {
    const data = read(name);
    const { header, chunks } = parse(data);
    for (const key of ["width", "height", "quality", "stages", "fingerprint"]) {
      assert.equal(header[key], expected[key], key);
    }
    const sizes = Array.from(chunks, ([kind, bytes]) => [kind, bytes.length]);
    assert.deepEqual(Object.fromEntries(sizes), expected.chunks);
    assert.equal(String(storedSeed(parse(data))), expected.seed);
    const alpha = await alphaPlane(chunks, header.height, header.width);
    assert.equal(alpha ? sha256(alpha) : undefined, expected.alpha_sha256);
    const metadata = Array.from(await unpackMetadata(chunks), ([kind, bytes]) => [kind, sha256(bytes)]);
    assert.deepEqual(Object.fromEntries(metadata), expected.metadata_sha256);
    const indices = await decode(data, priorOf(expected.prior));
    assert.equal(indices.length, expected.stages);
    assert.equal(hashOf(indices), expected.indices_sha256);
    const file = parse(data);
    const payload = encodeIndices(indices, priorOf(expected.prior), file.header);
    assert.deepEqual(write({ ...file, payload }), data, "it is written as Python writes it");
  });
}

for (const { file, bytes, flipped_bit: bit, ...expected } of partial) {
  const what = bit === undefined ? `the first ${bytes} bytes` : `a copy with bit ${bit} flipped`;
  test(`${what} of ${file} hold ${expected.stages ?? "no"} stages`, async () => {
    const data = read(file).slice(0, bytes);
    if (bit !== undefined) data[bit >> 3] ^= 0x80 >> (bit & 7);
    const prior = priorOf(files[file].prior);
    await assert.rejects(decode(data, prior), "a whole image is not there");
    if (expected.refused) {
      await refusedAs(expected, decode(data, prior, { allowPartial: true }));
    } else {
      const indices = await decode(data, prior, { allowPartial: true });
      assert.equal(indices.length, expected.stages);
      assert.equal(hashOf(indices), expected.indices_sha256);
    }
  });
}

for (const [name, expected] of Object.entries(refused)) {
  test(`${name} is refused`, () => refusedAs(expected, decode(read(name), priorOf(expected.prior))));
}

/**
 * The error and its sentence are those of the Python package, but for what zlib says in brackets.
 * @param {{ refused: string, sentence: string }} expected
 * @param {Promise<unknown>} decoding
 */
async function refusedAs(expected, decoding) {
  await assert.rejects(decoding, (error) => {
    assert.equal(error.name, expected.refused);
    const plain = (sentence) => sentence.replace(/damaged \(.*\)$/, "damaged");
    assert.equal(plain(error.message), plain(expected.sentence));
    return true;
  });
}
