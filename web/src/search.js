/** The search for codes, as `ResidualQuantizer.search`: the best partial sums are kept after each stage. */

import { packed } from "./layers.js";

/** @typedef {import("./kernel.js").Kernel} Kernel */

const ROWS = 512; // partial sums searched at once: what a cache holds
const UNIT = 4; // the codes of a stage are filled up to a multiple of it, with those that nobody takes

/**
 * Codes of some stages that jointly quantize vectors e, for least ‖e − Σ c‖² + Σ b.
 * @param {Kernel} kernel
 * @param {Float32Array} vectors [n, dim]
 * @param {Float32Array[]} books per stage the centroids [codes, dim]
 * @param {Float32Array} biases [stages, codes], λ·bits of each code
 * @param {number} width partial sums that are kept
 * @returns {Uint16Array} [n, stages]
 */
export function search(kernel, vectors, books, biases, width) {
  const codes = biases.length / books.length;
  const dim = books[0].length / codes;
  const count = vectors.length / dim;
  const found = new Uint16Array(count * books.length);
  kernel.aside(() => {
    const stages = books.map((book, k) => stageOf(kernel, book, biases.subarray(k * codes, (k + 1) * codes)));
    const some = Math.max(1, Math.floor(ROWS / width));
    for (let first = 0; first < count; first += some) {
      const part = vectors.subarray(first * dim, (first + some) * dim);
      kernel.aside(() => found.set(searchSome(kernel, part, stages, width), first * books.length));
    }
  });
  return found;
}

/**
 * @typedef {object} Stage
 * @property {Float32Array} book
 * @property {number} dim
 * @property {number} codes a multiple of 4
 * @property {number} matrix address of −2 c
 * @property {number} offsets address of ‖c‖² + b
 */

/**
 * @param {Kernel} kernel
 * @param {Float32Array} book
 * @param {Float32Array} biases
 * @returns {Stage}
 */
function stageOf(kernel, book, biases) {
  const dim = book.length / biases.length;
  const codes = Math.ceil(biases.length / UNIT) * UNIT;
  const matrix = packed(dim, codes, (d, code) => -2 * book[code * dim + d] || 0);
  const offsets = Float32Array.from({ length: codes }, (_, code) => {
    if (code >= biases.length) return Infinity;
    return book.subarray(code * dim, (code + 1) * dim).reduce((sum, c) => sum + c * c, biases[code]);
  });
  return { book, dim, codes, matrix: kernel.put(matrix), offsets: kernel.put(offsets) };
}

/**
 * @param {Kernel} kernel
 * @param {Float32Array} vectors
 * @param {Stage[]} stages
 * @param {number} width
 */
function searchSome(kernel, vectors, stages, width) {
  const { dim } = stages[0];
  const count = vectors.length / dim;
  let [rest, costs, beams] = [vectors, new Float32Array(count), 1]; // of each partial sum
  /** Codes of the partial sums, stage by stage. */
  let chosen = Array.from({ length: count }, () => /** @type {number[]} */ ([]));
  for (const { book, codes, matrix, offsets } of stages) {
    const scores = kernel.aside(() => scoresOf(kernel, rest, dim, codes, matrix, offsets));
    scores.forEach((score, n) => (scores[n] = score + costs[Math.floor(n / codes)]));
    const kept = Math.min(width, beams * codes);
    const [left, cost] = [new Float32Array(count * kept * dim), new Float32Array(count * kept)];
    /** @type {number[][]} */
    const next = [];
    for (let n = 0; n < count; n++) {
      const places = least(scores, n * beams * codes, (n + 1) * beams * codes, kept);
      for (const at of places) {
        const [parent, code] = [Math.floor(at / codes), at % codes];
        const [from, to] = [parent * dim, next.length * dim];
        for (let d = 0; d < dim; d++) left[to + d] = rest[from + d] - book[code * dim + d];
        cost[next.length] = scores[at];
        next.push([...chosen[parent], code]);
      }
    }
    [rest, costs, beams, chosen] = [left, cost, kept, next];
  }
  return Uint16Array.from({ length: count * stages.length }, (_, n) => {
    return chosen[Math.floor(n / stages.length) * beams][n % stages.length];
  });
}

/**
 * ‖c‖² + b − 2 c · e of vectors and codes.
 * @param {Kernel} kernel
 * @param {Float32Array} vectors
 * @param {number} dim
 * @param {number} codes
 * @param {number} matrix
 * @param {number} offsets
 */
function scoresOf(kernel, vectors, dim, codes, matrix, offsets) {
  const rows = vectors.length / dim;
  const [input, out] = [kernel.put(vectors), kernel.reserve(4 * rows * codes)];
  kernel.c.bibc_multiply(rows, dim, codes, input, 0, dim, matrix, offsets, 0, out, 0, codes, 0, 1);
  return kernel.floats(out, rows * codes).slice();
}

/**
 * Where the least numbers of a range stand, ascending; of equal ones the first.
 * @param {Float32Array} numbers
 * @param {number} first
 * @param {number} end
 * @param {number} count
 */
function least(numbers, first, end, count) {
  /** @type {number[]} */
  const places = [];
  let worst = Infinity;
  for (let at = first; at < end; at++) {
    if (numbers[at] >= worst && places.length === count) continue;
    let slot = places.length < count ? places.push(at) - 1 : count - 1;
    for (; slot && numbers[places[slot - 1]] > numbers[at]; slot--) places[slot] = places[slot - 1];
    places[slot] = at;
    worst = numbers[places[places.length - 1]];
  }
  return places;
}
