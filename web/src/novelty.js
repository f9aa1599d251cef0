/**
 * How unusual an image is to a model: a percentile among photographs (`codec/novelty.py` says how).
 */

const FLOOR = 0.02; // bits a cell that an unused stage is taken to have
const ENERGY = 0.01; // squared error a cell that is taken to be always there
export const LEAST_SIDE = 256; // pixels: a smaller image has too few cells
export const UNUSUAL = 99; // percentile from which an image is warned of

/** @typedef {{ mean: number[][], covariance: number[][][], distances: number[][] }} Spread by quality */
/** @typedef {{ fingerprint: string, qualities: number[], code: Spread, error: Spread }} Calibration */
/** @typedef {{ rest: number, whole: number }} Energy of a level's cells: what its codes left, and all */

/**
 * Percentile among photographs, above 0 and below 100: the larger one of the two.
 * @param {Calibration} calibration
 * @param {number} quality
 * @param {number[]} code of `codeStatistics`
 * @param {number[] | null} error of `errorStatistics`; null if only the file is known
 */
export function percentile({ qualities, code: codes, error: errors }, quality, code, error) {
  const above = qualities.findIndex((calibrated) => calibrated >= quality);
  const high = above < 0 ? qualities.length - 1 : above;
  const low = Math.max(high - 1, 0);
  const gap = qualities[high] - qualities[low];
  const share = gap ? Math.min(Math.max((quality - qualities[low]) / gap, 0), 1) : 0;
  const found = [rank(codes, code, low, high, share)];
  if (error) found.push(rank(errors, error, low, high, share));
  return Math.max(...found);
}

/**
 * Logarithms of each stage's bits a cell, and of the share that the contexts left of them.
 * @param {Float32Array[]} lengths bits of each code, of all stages
 * @param {Uint16Array[]} indices of the stages that the quality codes
 * @param {number} payload bytes that they took
 */
export function codeStatistics(lengths, indices, payload) {
  let total = 0;
  const bits = lengths.map((length, stage) => {
    if (!indices[stage]) return 0;
    const spent = indices[stage].reduce((sum, code) => sum + length[code], 0);
    total += spent;
    return spent / indices[stage].length;
  });
  return [...bits.map((number) => Math.log(number + FLOOR)), Math.log((8 * payload) / total)];
}

/**
 * Logarithms of the share of each level's energy that its codes left.
 * @param {Energy[]} energy by level
 */
export function errorStatistics(energy) {
  return energy.map(({ rest, whole }) => Math.log((rest + ENERGY) / (whole + ENERGY)));
}

/**
 * @param {Spread} spread
 * @param {number[]} x
 * @param {number} low
 * @param {number} high
 * @param {number} share of the way from quality number `low` to `high`
 */
function rank({ mean, covariance, distances }, x, low, high, share) {
  const between = (/** @type {number[][]} */ table) => {
    return table[low].map((number, i) => (1 - share) * number + share * table[high][i]);
  };
  const matrix = covariance[low].map((_, row) => between(covariance.map((table) => table[row])));
  const centre = between(mean);
  const here = mahalanobis(matrix, x.map((number, i) => number - centre[i]));
  const known = between(distances);
  return (100 * (known.filter((other) => other < here).length + 0.5)) / (known.length + 1);
}

/**
 * √(xᵀ C⁻¹ x), by the Cholesky factor L of C: the length of L⁻¹ x.
 * @param {number[][]} covariance
 * @param {number[]} x
 */
function mahalanobis(covariance, x) {
  /** @type {number[][]} */
  const factor = [];
  /** @type {number[]} */
  const solved = [];
  covariance.forEach((row, i) => {
    factor[i] = [];
    for (let j = 0; j <= i; j++) {
      const rest = row[j] - dot(factor[i], factor[j], j);
      factor[i][j] = i === j ? Math.sqrt(rest) : rest / factor[j][j];
    }
    solved[i] = (x[i] - dot(factor[i], solved, i)) / factor[i][i];
  });
  return Math.sqrt(dot(solved, solved, solved.length));
}

/**
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} count of the numbers that are multiplied
 */
function dot(a, b, count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}
