/** Layers of the networks, their weights packed for `wasm/networks.c`; maps are in its memory. */

import { CodecError } from "./errors.js";

/** @typedef {import("./kernel.js").Kernel} Kernel */
/** @typedef {import("./kernel.js").Place} Place */
/** @typedef {import("./weights.js").Weights} Weights */

const PANEL = 8; // columns of a matrix that stand together
const POINTS = 36; // matrices of a convolution
const STEP = 4; // places a side of a convolution's tiles
const TILES = 24; // of a convolution that are transformed at once: what a cache holds
const UNIT = 4; // numbers in a vector

/**
 * A linear layer at each place. Before it, each square of `down` × `down` places becomes channels; or
 * after it, channels become squares of `up` × `up` places. Channels of a square stand as in torch:
 * (channel, row, column).
 */
export class Linear {
  /** Addresses of matrices [up, down]. @type {number[][]} */
  #matrices;
  /** Addresses, [up]. @type {number[]} */
  #biases = [];

  /**
   * @param {Kernel} kernel
   * @param {object} given
   * @param {Float32Array} given.weight [outputs · up², inputs · down²]
   * @param {Float32Array} [given.bias] [outputs · up²]
   * @param {number} given.inputs channels
   * @param {number} given.outputs channels; times `up`, a multiple of 4
   * @param {number} [given.down]
   * @param {number} [given.up]
   */
  constructor(kernel, { weight, bias, inputs, outputs, down = 1, up = 1 }) {
    requireVectors(outputs * up);
    this.kernel = kernel;
    this.inputs = inputs;
    this.outputs = outputs;
    this.down = down;
    this.up = up;
    const inner = inputs * down * down;
    const rowOf = (/** @type {number} */ i, /** @type {number} */ n) => inSquare(i, n, outputs, up);
    this.#matrices = range(up).map((i) => range(down).map((j) => {
      const matrix = packed(inputs * down, outputs * up, (k, n) => {
        return weight[rowOf(i, n) * inner + inSquare(j, k, inputs, down)];
      });
      return kernel.put(matrix);
    }));
    if (!bias) return;
    this.#biases = range(up).map((i) => kernel.put(range(outputs * up).map((n) => bias[rowOf(i, n)])));
  }

  /**
   * @param {Place} input
   * @param {Place} [onto] what the result is added to, in place
   * @returns {Place}
   */
  run(input, onto) {
    const { kernel, inputs, outputs, down, up } = this;
    const [rows, columns] = [input.rows / down, input.columns / down];
    const out = onto ?? kernel.place(rows * up, columns * up, outputs);
    const [inRow, outRow] = [4 * input.columns * inputs, 4 * out.columns * outputs];
    this.#matrices.forEach((matrices, i) => matrices.forEach((matrix, j) => {
      const given = [
        ...[columns, inputs * down, outputs * up],
        ...[input.at + j * inRow, (inRow / 4) * down, inputs * down],
        ...[matrix, (j === 0 && this.#biases[i]) || 0, Number(Boolean(onto) || j > 0)],
        ...[out.at + i * outRow, (outRow / 4) * up, outputs * up],
      ];
      kernel.run("bibc_multiply", () => given, rows);
    }));
    return out;
  }
}

/** @param {number} count */
function range(count) {
  return Array.from({ length: count }, (_, n) => n);
}

/**
 * Where torch has a number of a square: it stands at `n` = (column, channel) in row `i` here.
 * @param {number} i
 * @param {number} n
 * @param {number} channels
 * @param {number} side of the square
 */
function inSquare(i, n, channels, side) {
  return (n % channels) * side * side + i * side + Math.floor(n / channels);
}

/** @param {number} columns */
function requireVectors(columns) {
  if (columns % UNIT) {
    throw new CodecError(`a layer of the model has ${columns} channels, expected a multiple of 4`);
  }
}

/**
 * A matrix [inner, columns] as panels of 8 columns.
 * @param {number} inner
 * @param {number} columns
 * @param {(row: number, column: number) => number} at
 */
export function packed(inner, columns, at) {
  const out = new Float32Array(inner * PANEL * Math.ceil(columns / PANEL));
  for (let first = 0, to = 0; first < columns; first += PANEL) {
    const here = Math.min(PANEL, columns - first);
    for (let k = 0; k < inner; k++, to += PANEL) {
      for (let n = 0; n < here; n++) out[to + n] = at(k, first + n);
    }
  }
  return out;
}

/** A 3×3 convolution over zeros around the map. */
export class Convolution {
  /**
   * That of a model's file.
   * @param {Weights} weights
   * @param {string} name
   */
  static of(weights, name) {
    return new Convolution(weights.kernel, weights.get(`${name}.weight`), weights.get(`${name}.bias`));
  }

  /**
   * @param {Kernel} kernel
   * @param {Float32Array} weight [outputs, inputs, 3, 3]
   * @param {Float32Array} bias [outputs]
   */
  constructor(kernel, weight, bias) {
    this.kernel = kernel;
    this.outputs = bias.length;
    this.inputs = weight.length / 9 / this.outputs;
    requireVectors(this.inputs);
    requireVectors(this.outputs);
    this.bias = bias;
    this.shift = kernel.put(bias);
    this.weights = kernel.take(4 * kernel.c.bibc_packed_size(this.inputs, this.outputs));
    kernel.aside(() => kernel.c.bibc_pack(this.inputs, this.outputs, kernel.put(weight), this.weights));
  }

  /**
   * @param {Place} input
   * @param {object} [options]
   * @param {number} [options.scale] address of what the sums are multiplied with, by channel
   * @param {number} [options.shift] address of what is added then; the bias if not given
   * @param {boolean} [options.rectify] negative numbers become 0 then
   * @param {Place} [options.onto] what the result is added to, in place
   * @returns {Place}
   */
  run(input, { scale = 0, shift = this.shift, rectify = false, onto } = {}) {
    const { kernel, inputs, outputs } = this;
    const { rows, columns } = input;
    const out = onto ?? kernel.place(rows, columns, outputs);
    kernel.aside(() => {
      const size = 4 * POINTS * TILES * (inputs + PANEL * Math.ceil(outputs / PANEL));
      const scratch = kernel.reserve(size * kernel.threads);
      const given = (/** @type {number} */ thread) => [
        ...[rows, columns, inputs, outputs, input.at, this.weights, scale, shift],
        ...[Number(rectify), onto?.at ?? 0, out.at, scratch + thread * size, TILES],
      ];
      kernel.run("bibc_convolve", given, Math.ceil(rows / STEP) * Math.ceil(columns / STEP), TILES);
    });
    return out;
  }
}

/** x + W2 · relu(s ⊙ W1 x + b), where a condition may give s and b. */
export class Block {
  /**
   * Those of a row of blocks, as many as there are.
   * @param {Weights} weights
   * @param {string} name of the row
   * @param {number} first number
   */
  static row(weights, name, first = 0) {
    const blocks = [];
    const has = (/** @type {number} */ n) => weights.has(`${name}.${n}.first.weight`);
    for (let n = first; has(n); n++) blocks.push(new Block(weights, `${name}.${n}`));
    return blocks;
  }

  /**
   * @param {Weights} weights
   * @param {string} name of the block
   */
  constructor(weights, name) {
    this.kernel = weights.kernel;
    this.first = Convolution.of(weights, `${name}.first`);
    this.second = Convolution.of(weights, `${name}.second`);
    const modulated = weights.has(`${name}.modulation.weight`);
    this.modulation = modulated ? new Dense(weights, `${name}.modulation`) : null;
  }

  /**
   * @param {Place} x is changed
   * @param {Float32Array} [condition]
   * @returns {Place} x
   */
  run(x, condition) {
    return this.kernel.aside(() => {
      const hidden = this.first.run(x, { ...this.#modulated(condition), rectify: true });
      return this.second.run(hidden, { onto: x });
    });
  }

  /** @param {Float32Array} [condition] */
  #modulated(condition) {
    if (!this.modulation || !condition) return {};
    const { bias, outputs } = this.first;
    const given = this.modulation.run(condition);
    const scale = given.subarray(0, outputs).map((s) => 1 + s);
    const shift = given.subarray(outputs).map((b, n) => b + scale[n] * bias[n]);
    return { scale: this.kernel.put(scale), shift: this.kernel.put(shift) };
  }
}

/** A linear layer of one vector. */
export class Dense {
  /**
   * @param {Weights} weights
   * @param {string} name
   */
  constructor(weights, name) {
    this.weight = weights.get(`${name}.weight`);
    this.bias = weights.get(`${name}.bias`);
  }

  /** @param {Float32Array} vector */
  run(vector) {
    return this.bias.map((start, row) => {
      return vector.reduce((sum, x, n) => sum + x * this.weight[row * vector.length + n], start);
    });
  }
}

/**
 * A 1×1 convolution of a model's file.
 * @param {Weights} weights
 * @param {string} name
 * @param {{ down?: number, up?: number }} [sides]
 */
export function pointwise(weights, name, { down = 1, up = 1 } = {}) {
  const [weight, bias] = [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
  const outputs = bias.length / up ** 2;
  const inputs = weight.length / bias.length / down ** 2;
  return new Linear(weights.kernel, { weight, bias, inputs, outputs, down, up });
}

/**
 * A 3×3 convolution whose channels (3, side, side) become pixels: they stand as (side, side, 3) here.
 * @param {Weights} weights
 * @param {string} name
 * @param {number} side
 */
export function toPixels(weights, name, side) {
  const [weight, bias] = [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
  const size = weight.length / bias.length;
  const order = Array.from(bias, (_, n) => (n % 3) * side ** 2 + Math.floor(n / 3));
  const moved = new Float32Array(weight.length);
  order.forEach((from, n) => moved.set(weight.subarray(from * size, (from + 1) * size), n * size));
  return new Convolution(weights.kernel, moved, Float32Array.from(order, (from) => bias[from]));
}
