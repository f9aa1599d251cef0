/** The detail network r, as `codec/networks/detail.py`: what the conditional mean lacks. */

import { Block, pointwise, Linear, toPixels } from "./layers.js";
import { FeatureMap } from "./maps.js";
import { columnsOf } from "./synthesis.js";

/** @typedef {import("./kernel.js").Place} Place */
/** @typedef {import("./weights.js").Weights} Weights */
/** @typedef {{ cell: number, channels: number }} Scale of the noise */

const PIXELS = [0, 4, 2]; // sides of the squares of pixels that are seen at each scale; 0: none
const LAST = 2; // pixels a side of the finest features' cells

export class Detail {
  /**
   * @param {Weights} weights
   * @param {Scale[]} scales coarse to fine
   */
  constructor(weights, scales) {
    this.kernel = weights.kernel;
    this.scales = scales.map(({ channels }, scale) => ({
      enter: enterOf(weights, scale, channels),
      amplitudes: weights.get(`amplitudes.${scale}`),
      up: scale ? pointwise(weights, `ups.${scale - 1}.0`, { up: 2 }) : null,
      blocks: Block.row(weights, `blocks.${scale}`),
      strength: weights.has("texture.0.weight") ? strengthOf(weights, `texture.${scale + 1}`) : null,
    }));
    this.texture = weights.has("texture.0.weight") ? pointwise(weights, "texture.0") : null;
    this.out = toPixels(weights, "out", LAST);
  }

  /**
   * The residual of a window.
   * @param {Float32Array} embedding
   * @param {Place} mean the conditional mean
   * @param {Place[]} features at 1/8 and 1/4 of the resolution
   * @param {FeatureMap[]} noise of each scale
   * @param {FeatureMap} [texture] centroids of the texture codes, if the model has them
   * @returns {Place}
   */
  run(embedding, mean, features, noise, texture) {
    const { kernel } = this;
    /** @type {Place | undefined} */
    let hidden;
    this.scales.forEach(({ enter, amplitudes, up, blocks, strength }, scale) => {
      hidden = up && hidden ? up.run(hidden) : undefined;
      if (enter.features) hidden = enter.features.run(features[scale], hidden);
      if (enter.pixels) hidden = enter.pixels.run(mean, hidden);
      const told = texture && strength ? strength(texture) : null;
      hidden = enter.noise.run(kernel.enter(scaled(noise[scale], amplitudes, told)), hidden);
      if (!scale && texture && this.texture) this.texture.run(kernel.enter(texture), hidden);
      for (const block of blocks) block.run(hidden, embedding);
    });
    const { at, rows, columns } = this.out.run(/** @type {Place} */ (hidden));
    const pixels = kernel.place(mean.rows, mean.columns, 3);
    kernel.floats(pixels.at, 3 * pixels.rows * pixels.columns).fill(0);
    kernel.c.bibc_spread(rows, columns, LAST, at, pixels.at);
    if (texture) silence(kernel.floats(pixels.at, 3 * pixels.rows * pixels.columns), texture);
    return pixels;
  }
}

/**
 * The layer through which a scale sees features, pixels and noise, one for each of them.
 * @param {Weights} weights
 * @param {number} scale
 * @param {number} channels of the noise
 */
function enterOf(weights, scale, channels) {
  const { kernel } = weights;
  const [weight, bias] = ["weight", "bias"].map((part) => weights.get(`enter.${scale}.${part}`));
  const outputs = bias.length;
  const down = PIXELS[scale];
  const seen = 3 * down ** 2;
  const known = weight.length / outputs - seen - channels;
  const [features, pixels, noise] = columnsOf(weight, outputs, [known, seen, channels]);
  const layer = (/** @type {Float32Array} */ part, /** @type {number} */ inputs, side = 1) => {
    return inputs ? new Linear(kernel, { weight: part, inputs, outputs, down: side }) : null;
  };
  return {
    features: layer(features, known),
    pixels: layer(pixels, seen && 3, down),
    noise: new Linear(kernel, { weight: noise, bias, inputs: channels, outputs }),
  };
}

/**
 * How strong the noise of a scale is where the texture codes say so.
 * @param {Weights} weights
 * @param {string} name
 * @returns {(texture: FeatureMap) => FeatureMap}
 */
function strengthOf(weights, name) {
  const [weight, bias] = ["weight", "bias"].map((part) => weights.get(`${name}.${part}`));
  const channels = bias.length;
  return ({ window, cell, values, channels: dim }) => {
    const map = new FeatureMap(window, cell, channels);
    for (let at = 0, to = 0; at < values.length; at += dim) {
      for (let c = 0; c < channels; c++, to++) {
        let sum = bias[c];
        for (let d = 0; d < dim; d++) sum += weight[c * dim + d] * values[at + d];
        map.values[to] = Math.exp(sum);
      }
    }
    return map;
  };
}

/**
 * Noise times its amplitudes, and times its strength if that is told.
 * @param {FeatureMap} noise
 * @param {Float32Array} amplitudes by channel
 * @param {FeatureMap | null} strength of larger cells
 */
function scaled(noise, amplitudes, strength) {
  const { window, cell, channels, rows, columns } = noise;
  const out = new FeatureMap(window, cell, channels);
  const times = strength ? strength.cell / cell : 1;
  for (let y = 0, at = 0; y < rows; y++) {
    const row = strength ? Math.floor(y / times) * strength.columns : 0;
    for (let x = 0; x < columns; x++) {
      const place = (row + Math.floor(x / times)) * channels;
      for (let c = 0; c < channels; c++, at++) {
        out.values[at] = noise.values[at] * amplitudes[c] * (strength ? strength.values[place + c] : 1);
      }
    }
  }
  return out;
}

/**
 * Silence a residual where texture codes say that there is nothing, and less so in 16 pixels around.
 * @param {Float32Array} pixels
 * @param {FeatureMap} texture its last channel says so
 */
function silence(pixels, { values, channels, rows, columns, cell }) {
  const none = Float32Array.from({ length: rows * columns }, (_, n) => values[(n + 1) * channels - 1]);
  const wider = around(none, rows, columns, (seen) => Math.max(...seen));
  const share = around(wider, rows, columns, (seen) => seen.reduce((a, b) => a + b) / seen.length);
  for (let y = 0, at = 0; y < rows * cell; y++) {
    for (let x = 0; x < columns * cell; x++) {
      const heard = 1 - share[Math.floor(y / cell) * columns + Math.floor(x / cell)];
      for (let c = 0; c < 3; c++, at++) pixels[at] *= heard;
    }
  }
}

/**
 * Something of the 3 × 3 numbers around each one, fewer at the edges.
 * @param {Float32Array} values
 * @param {number} rows
 * @param {number} columns
 * @param {(seen: number[]) => number} of
 */
function around(values, rows, columns, of) {
  return values.map((_, n) => {
    const [row, column] = [Math.floor(n / columns), n % columns];
    const seen = [];
    for (let y = Math.max(row - 1, 0); y < Math.min(row + 2, rows); y++) {
      for (let x = Math.max(column - 1, 0); x < Math.min(column + 2, columns); x++) {
        seen.push(values[y * columns + x]);
      }
    }
    return of(seen);
  });
}
