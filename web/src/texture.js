/**
 * Texture codes: what the conditional mean lacks in each cell of 32 pixels. As
 * `codec/runtime/texture.py`, which says why.
 */

import { FeatureMap } from "./maps.js";
import { gridShape } from "./state.js";

export const CELL = 32; // pixels a side of a cell
export const DIM = 16; // length of a centroid: the statistics, and two flags
const BLOCK = 8; // pixels a side of the blocks whose spectrum is taken, and of a map's cells
const LUMA = 9; // bands of luma; the next one is of chroma
const STATISTICS = 14;
const FLOOR = 2e-5; // energy of rounding to 8 bits
const FLAT = 1.5 / 127.5; // a cell nearer than that to a plane has no texture
const RATE = 1; // squared distance that a bit is worth
export const [UNKNOWN, NONE] = [0, 1];

/** The cosine transform of a row of a block, [u][y]. */
const COSINES = Array.from({ length: BLOCK }, (_, u) =>
  Array.from({ length: BLOCK }, (_, y) => {
    const scale = Math.sqrt((u ? 2 : 1) / BLOCK);
    return scale * Math.cos((Math.PI * u * (2 * y + 1)) / (2 * BLOCK));
  }),
);

/**
 * The band of a coefficient: by frequency, then mostly horizontal, mostly vertical, or neither.
 * @param {number} u
 * @param {number} v
 */
function bandOf(u, v) {
  const frequency = u + v < 3 ? 0 : u + v < 6 ? 1 : 2;
  return 3 * frequency + (v > 2 * u ? 0 : u > 2 * v ? 1 : 2);
}

/**
 * The energies of a block of x − g, per pixel: luma by bands, then chroma.
 * @param {FeatureMap} e of 3 channels
 * @param {number} top
 * @param {number} left in the map
 */
function energies({ values, columns }, top, left) {
  const luma = new Float64Array(BLOCK * BLOCK);
  const found = new Float64Array(LUMA + 1);
  for (let y = 0, n = 0; y < BLOCK; y++) {
    for (let x = 0; x < BLOCK; x++, n++) {
      const at = 3 * ((top + y) * columns + left + x);
      const [red, green, blue] = values.subarray(at, at + 3);
      luma[n] = (red + green + blue) / Math.sqrt(3);
      found[LUMA] += (red - blue) ** 2 / 2 + (red - 2 * green + blue) ** 2 / 6;
    }
  }
  const half = new Float64Array(BLOCK * BLOCK); // [y][v]
  for (let y = 0; y < BLOCK; y++) {
    for (let v = 0; v < BLOCK; v++) {
      for (let x = 0; x < BLOCK; x++) half[y * BLOCK + v] += luma[y * BLOCK + x] * COSINES[v][x];
    }
  }
  for (let u = 0; u < BLOCK; u++) {
    for (let v = u ? 0 : 1; v < BLOCK; v++) {
      let sum = 0;
      for (let y = 0; y < BLOCK; y++) sum += half[y * BLOCK + v] * COSINES[u][y];
      found[bandOf(u, v)] += sum * sum;
    }
  }
  return found.map((energy) => energy / BLOCK ** 2);
}

/**
 * What texture codes say of a cell of x − g: 14 numbers.
 * @param {FeatureMap} e of 3 channels
 * @param {number} top
 * @param {number} left in the map
 */
function statistics(e, top, left) {
  const whole = new Float64Array(LUMA + 1);
  const parts = [0, 0, 0, 0];
  const blocks = CELL / BLOCK;
  for (let y = 0; y < blocks; y++) {
    for (let x = 0; x < blocks; x++) {
      const found = energies(e, top + y * BLOCK, left + x * BLOCK);
      found.forEach((energy, band) => (whole[band] += energy / blocks ** 2));
      const quarter = 2 * Math.floor((2 * y) / blocks) + Math.floor((2 * x) / blocks);
      parts[quarter] += sum(found.subarray(0, LUMA)) / (blocks / 2) ** 2;
    }
  }
  const cell = Math.log2(sum(whole.subarray(0, LUMA)) + FLOOR);
  const bands = Array.from(whole, (energy) => (Math.log2(energy + FLOOR) + 10) / 2);
  return [...bands, ...parts.map((energy) => (Math.log2(energy + FLOOR) - cell) / 3)];
}

/**
 * Whether a cell of an image is of one colour, or an even gradient.
 * @param {FeatureMap} x of 3 channels
 * @param {number} top
 * @param {number} left in the map
 */
function isFlat({ values, columns }, top, left) {
  const ramp = (/** @type {number} */ n) => n - (CELL - 1) / 2;
  const squares = (CELL * CELL * (CELL * CELL - 1)) / 12; // of ramps over all pixels
  for (let c = 0; c < 3; c++) {
    const at = (/** @type {number} */ i, /** @type {number} */ j) =>
      values[3 * ((top + i) * columns + left + j) + c];
    let [level, down, right] = [0, 0, 0];
    for (let i = 0; i < CELL; i++) {
      for (let j = 0; j < CELL; j++) {
        level += at(i, j) / CELL ** 2;
        down += (at(i, j) * ramp(i)) / squares;
        right += (at(i, j) * ramp(j)) / squares;
      }
    }
    for (let i = 0; i < CELL; i++) {
      for (let j = 0; j < CELL; j++) {
        if (Math.abs(at(i, j) - level - down * ramp(i) - right * ramp(j)) > FLAT) return false;
      }
    }
  }
  return true;
}

/**
 * The texture codes of a window of an image: least squared distance + bits, "none" where it is flat.
 * @param {Float32Array} book centroids [K, 16]
 * @param {Float32Array} lengths bits of each code
 * @param {FeatureMap} x the image, of 3 channels in [-1, 1]; whole cells
 * @param {FeatureMap} mean g(ẑ) of the window
 */
export function choose(book, lengths, x, mean) {
  const e = new FeatureMap(x.window, 1, 3, x.values.map((value, n) => value - mean.values[n]));
  const codes = new Uint16Array((x.rows / CELL) * (x.columns / CELL));
  for (let top = 0, n = 0; top < x.rows; top += CELL) {
    for (let left = 0; left < x.columns; left += CELL, n++) {
      codes[n] = isFlat(x, top, left) ? NONE : nearest(book, lengths, statistics(e, top, left));
    }
  }
  return codes;
}

/**
 * @param {Float32Array} book
 * @param {Float32Array} lengths
 * @param {number[]} found statistics
 */
function nearest(book, lengths, found) {
  let [least, best] = [Infinity, NONE];
  for (let code = NONE; code < lengths.length; code++) {
    let score = RATE * lengths[code];
    for (let d = 0; d < STATISTICS; d++) score += (found[d] - book[code * DIM + d]) ** 2;
    if (score < least) [least, best] = [score, code];
  }
  return best;
}

/**
 * What the detail network takes of a window: centroids, "unknown" outside the image.
 * @param {Float32Array} book centroids [K, 16]
 * @param {Uint16Array | undefined} grid codes of the whole image, if the file has them
 * @param {{ height: number, width: number }} size of the image
 * @param {import("./maps.js").Window} window whole blocks
 */
export function textureMap(book, grid, { height, width }, window) {
  const map = new FeatureMap(window, BLOCK, DIM);
  const { rows, columns } = gridShape(height, width, CELL);
  for (let y = 0; y < map.rows; y++) {
    for (let x = 0; x < map.columns; x++) {
      const row = Math.floor((window.top + y * BLOCK) / CELL);
      const column = Math.floor((window.left + x * BLOCK) / CELL);
      const inside = grid && row < rows && column < columns;
      const code = inside ? grid[row * columns + column] : UNKNOWN;
      map.values.set(book.subarray(code * DIM, (code + 1) * DIM), (y * map.columns + x) * DIM);
    }
  }
  return map;
}

/** @param {Float64Array} values */
function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}
