/** The conformance set of tests/data (its README.md says what it holds), and how to decode it. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { decodeIndices, loadPrior, parse, alphaPlane, unpackMetadata } from "../src/index.js";

const DATA = new URL("../../tests/data/", import.meta.url);

/** @param {string} name */
export function read(name) {
  return new Uint8Array(readFileSync(new URL(name, DATA)));
}

/** @param {string} name */
export function readJson(name) {
  return JSON.parse(readFileSync(new URL(name, DATA), "utf8"));
}

export const { files, partial, refused } = readJson("conformance.json");

/** @type {Map<string, import("../src/prior.js").Prior>} */
const priors = new Map();

/** @param {string} name */
export function priorOf(name) {
  if (!priors.has(name)) priors.set(name, loadPrior(read(name), name));
  return /** @type {import("../src/prior.js").Prior} */ (priors.get(name));
}

/**
 * The indices of a file, its alpha and metadata checked too.
 * @param {Uint8Array} data
 * @param {import("../src/prior.js").Prior} prior
 * @param {{ allowPartial?: boolean }} [options]
 */
export async function decode(data, prior, options) {
  const file = parse(data);
  const indices = decodeIndices(file, prior, options);
  await alphaPlane(file.chunks, file.header.height, file.header.width);
  await unpackMetadata(file.chunks);
  return indices;
}

/** @param {Uint8Array} data */
export function sha256(data) {
  return createHash("sha256").update(data).digest("hex");
}

/**
 * SHA-256 of all indices, 16 bits each, little-endian, all stages in order.
 * @param {Uint16Array[]} indices
 */
export function hashOf(indices) {
  const hash = createHash("sha256");
  for (const grid of indices) hash.update(new Uint8Array(grid.buffer));
  return hash.digest("hex");
}
