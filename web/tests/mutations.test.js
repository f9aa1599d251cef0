/** Damaged files: each refused or decoded to the very indices, and no memory for a lie. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { watchMemory } from "./memory.js";

const memory = watchMemory(); // before the modules under test are loaded
const { decode, files, priorOf, read, hashOf } = await import("./conformance.js");
const { CodecError, DEFAULT_LIMITS, decodeIndices, parse } = await import("../src/index.js");
const { crc8 } = await import("../src/checksums.js");

const MUTATIONS = 2_000; // `python -m benchmarks javascript` compares 10,000 with Python
const LIMITS = { ...DEFAULT_LIMITS, maxPixels: 2 ** 16 };
const MOST_BYTES = 2 ** 16; // of an array: the grid of 8 x 8 cells of 2¹⁶ pixels, 12 int32 each
const SMALL = ["v1_one_pixel_q50.bibc", "v1_odd_q70.bibc", "static.bibc"];
const WITH_CHUNKS = "v1_rgba_metadata_q40.bibc"; // takes longer: every 50th

/** mulberry32: the same numbers at every run. */
function generator(seed) {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const random = generator(20261128);
const choice = (values) => values[random(values.length)];
const bytes = (count) => Uint8Array.from({ length: count }, () => random(256));
const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));

function varint(value) {
  const out = [];
  for (; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) + 128);
  return [...out, value];
}

function headerSize(data) {
  return parse(data).header.fields.length + 6;
}

const KINDS = {
  flipBits(data) {
    const out = data.slice();
    for (let n = choice([1, 1, 2, 3, 8, 40]); n; n--) out[random(out.length)] ^= 1 << random(8);
    return out;
  },
  cut: (data) => data.slice(0, random(data.length)),
  insert(data) {
    const at = random(data.length + 1);
    return joined(data.slice(0, at), bytes(choice([1, 2, 4, 4, 8, 50])), data.slice(at));
  },
  remove(data) {
    const at = random(data.length);
    return joined(data.slice(0, at), data.slice(at + choice([1, 2, 4, 4, 8, 50])));
  },
  overwrite(data) {
    const [at, count] = [random(data.length), choice([1, 2, 4, 16, 64])];
    return joined(data.slice(0, at), bytes(count), data.slice(at + count)).slice(0, data.length);
  },
  copyWithin(data) {
    const [to, from, end] = [random(data.length), random(data.length), random(data.length)];
    return data.slice().copyWithin(to, from, end);
  },
  /** A header of random fields, up to gigapixels, its checksum right. */
  randomHeader(data) {
    const sides = [varint(Math.floor(2 ** (random(3200) / 100))), varint(1 + random(2 ** random(15)))];
    if (random(2)) sides.reverse();
    const framing = 0x10 | choice([0, 1, 2, 3, 4, 8]);
    const fields = [framing, random(256), random(110), ...bytes(4), ...sides.flat()];
    const covered = joined(data.slice(0, 4), fields);
    return joined(covered, [crc8(covered)], data.slice(headerSize(data)));
  },
  /** One to three bits of the header flipped, its checksum right. */
  flipHeader(data) {
    const size = headerSize(data);
    const covered = data.slice(0, size - 1);
    for (let n = 1 + random(3); n; n--) covered[4 + random(size - 5)] ^= 1 << random(8);
    return joined(covered, [crc8(covered)], data.slice(size));
  },
  noise(data) {
    const kept = choice([0, 4, headerSize(data)]);
    return joined(data.slice(0, kept), bytes(random(300)));
  },
};

function decodeWithin(data, prior, allowPartial) {
  try {
    return decodeIndices(parse(data, LIMITS), prior, { allowPartial });
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    assert.match(error.message, /^[^\n]+$/);
    return null;
  }
}

test(`${MUTATIONS} damaged files are refused, or equal`, async (context) => {
  const counts = { refused: 0, unchanged: 0, stages: 0 };
  const kinds = Object.entries(KINDS);
  const whole = new Map();
  for (const name of [...SMALL, WITH_CHUNKS]) whole.set(name, await decode(read(name), priorOf(files[name].prior)));
  for (let i = 0; i < MUTATIONS; i++) {
    const name = i % 50 ? SMALL[i % SMALL.length] : WITH_CHUNKS;
    const [kind, mutate] = kinds[Math.floor(i / 7) % kinds.length];
    const [original, prior] = [read(name), priorOf(files[name].prior)];
    const data = mutate(original);
    const same = Buffer.compare(data, original) === 0;
    memory.forget();
    const indices = decodeWithin(data, prior, false);
    assert.equal(indices !== null, same, `mutation ${i}, ${kind} of ${name}`);
    if (indices) assert.equal(hashOf(indices), files[name].indices_sha256);
    counts[same ? "unchanged" : "refused"]++;
    assert.ok(memory.largest() <= MOST_BYTES, `mutation ${i} took ${memory.largest()} bytes at once`);
    if (kind !== "cut") continue;
    const some = decodeWithin(data, prior, true) ?? []; // FORMAT.md 5: if only cut, exact
    counts.stages += some.length;
    some.forEach((grid, stage) => assert.deepEqual(grid, whole.get(name)[stage], `cut ${i}`));
  }
  context.diagnostic(JSON.stringify(counts));
  assert.ok(counts.refused > 0.9 * MUTATIONS && counts.stages > 200);
});
