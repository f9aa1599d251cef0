/**
 * The noise U: Gaussian numbers that depend on a seed and a place, on nothing else.
 *
 * The integers of `codec/runtime/noise.py`: a hash of (seed, plane, y, x, channel), which a table maps
 * to the normal law. A whole image, a tile and a crop see the same noise, in Python and here.
 */

const LEVELS = 4096; // values of the normal law: its quantiles at (i + ½) / LEVELS
const GRAIN = 1024; // they are rounded to multiples of 1/GRAIN

/**
 * A rectangle of the standard normal field of a plane.
 * @param {bigint} seed 0..2⁶⁴ − 1
 * @param {number} plane 0..2³² − 1; different planes are independent
 * @param {{ top: number, left: number }} corner the rectangle's first row and column
 * @param {{ channels: number, rows: number, columns: number }} shape
 * @returns {Float32Array} [rows, columns, channels]
 */
export function noise(seed, plane, { top, left }, { channels, rows, columns }) {
  const law = quantiles();
  const low = Number(BigInt.asIntN(32, seed));
  const high = Number(BigInt.asIntN(32, seed >> 32n));
  const key = mix(mix(mix(low) + high) + plane);
  const values = new Float32Array(channels * rows * columns);
  for (let y = 0, at = 0; y < rows; y++) {
    const row = mix(key + top + y);
    for (let x = 0; x < columns; x++) {
      const place = mix(row + left + x);
      for (let channel = 0; channel < channels; channel++, at++) {
        const pair = mix(place + (channel >> 1));
        const value = (channel & 1 ? pair >>> 8 : pair >>> 20) % LEVELS;
        values[at] = law[value];
      }
    }
  }
  return values;
}

/**
 * A permutation of the 32-bit integers with good avalanche (constants by C. Wellons).
 * @param {number} x an integer below 2⁵³; its low 32 bits count
 */
function mix(x) {
  x ^= x >>> 16;
  x = Math.imul(x, 0x21f0aaad);
  x ^= x >>> 15;
  x = Math.imul(x, 0x735a2d97);
  return x ^ (x >>> 15);
}

/** @type {Float32Array | undefined} */
let table;

function quantiles() {
  table ??= Float32Array.from({ length: LEVELS }, (_, i) => {
    return Math.round(quantile((i + 0.5) / LEVELS) * GRAIN) / GRAIN + 0; // no −0
  });
  return table;
}

/**
 * Where the standard normal distribution reaches a probability, by Newton's method: from 0 to the
 * left it is convex, so every step comes nearer from the right.
 * @param {number} probability above 0, below 1
 * @returns {number}
 */
function quantile(probability) {
  if (probability > 0.5) return -quantile(1 - probability);
  let x = 0;
  for (let step = 0; step < 20; step++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    let series = 0; // (distribution − ½) / density = x + x³/3 + x⁵/(3·5) + ...
    for (let n = 1, term = x; Math.abs(term) > 1e-18; n += 2, term *= (x * x) / n) series += term;
    x -= series + (0.5 - probability) / density;
  }
  return x;
}
