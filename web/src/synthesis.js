/** The decoder's network g, as `codec/networks/decoder.py`: latents of all levels to pixels. */

import { Block, Convolution, Dense, Linear, pointwise, toPixels } from "./layers.js";

/** @typedef {import("./kernel.js").Place} Place */
/** @typedef {import("./weights.js").Weights} Weights */

const STEM = 4; // pixels a side of the cells of the finest features

export class Synthesis {
  /**
   * @param {Weights} weights
   * @param {import("./model.js").Level[]} levels coarse to fine
   */
  constructor(weights, levels) {
    const { kernel } = weights;
    this.kernel = kernel;
    this.condition = [0, 2].map((n) => new Dense(weights, `decoder.condition.${n}`));
    const finer = levels.slice(1);
    this.linear = levels.map(({ cell, dim }, level) => linearOf(weights, level, cell, dim));
    this.embed = levels.map(({ dim }, level) => embedOf(weights, level, dim));
    this.ups = finer.map((_, n) => pointwise(weights, `decoder.ups.${n}.0`, { up: 2 }));
    this.before = finer.map((_, n) => new Block(weights, `decoder.before.${n}`));
    this.guess = finer.map(({ cell }, n) => guessOf(weights, `decoder.predict.${n}`, cell));
    this.after = levels.map((_, level) => {
      const more = Block.row(weights, `decoder.more.${level}`);
      return [new Block(weights, `decoder.after.${level}`), ...more];
    });
    /** Of each level, what its coarser levels say of its latent. */
    this.composed = levels.map((fine, level) => {
      return levels.slice(0, level).map((coarse, n) => composed(weights, n, coarse, level, fine));
    });
    const ends = levels[levels.length - 1].cell > STEM;
    this.up4 = ends ? pointwise(weights, "decoder.up4.0", { up: 2 }) : null;
    this.last = ends ? new Block(weights, "decoder.last") : null;
    this.out = toPixels(weights, "decoder.out", STEM);
  }

  /**
   * The embedding of a condition.
   * @param {Float32Array} condition
   */
  embedding(condition) {
    return this.condition.reduce((x, layer) => layer.run(x).map((y) => y / (1 + Math.exp(-y))), condition);
  }

  /**
   * A level from the coarser ones: features at its resolution, and the network's part of the
   * prediction of its latent.
   * @param {number} level 1 or more
   * @param {Float32Array} embedding
   * @param {Place} features of the level before
   */
  extend(level, embedding, features) {
    const hidden = this.before[level - 1].run(this.ups[level - 1].run(features), embedding);
    return { hidden, guess: this.guess[level - 1].run(hidden) };
  }

  /**
   * Add what the coarser latents say of a level's latent.
   * @param {number} level
   * @param {Place[]} latents
   * @param {Place} onto
   */
  addLinear(level, latents, onto) {
    latents.forEach((latent, n) => this.composed[level][n].run(latent, onto));
  }

  /**
   * Take a level's latent into its features.
   * @param {number} level
   * @param {Float32Array} embedding
   * @param {Place} whole the latent, prediction and remainder
   * @param {Place} remainder
   * @param {Place} [hidden] features so far, which are changed
   */
  update(level, embedding, whole, remainder, hidden) {
    const { first, second } = this.embed[level];
    const features = second.run(remainder, first.run(whole, hidden));
    for (const block of this.after[level]) block.run(features, embedding);
    return features;
  }

  /**
   * The linear image of all latents.
   * @param {Place[]} latents
   */
  pixels(latents) {
    /** @type {Place | undefined} */
    let pixels;
    latents.forEach((latent, level) => (pixels = this.linear[level].run(latent, pixels)));
    return /** @type {Place} */ (pixels);
  }

  /**
   * Turn the linear image into the conditional mean, in place.
   * @param {Float32Array} embedding
   * @param {Place} pixels
   * @param {Place} features of the finest level
   * @returns {Place} features at a quarter of the resolution
   */
  render(embedding, pixels, features) {
    const quarter = this.up4 && this.last ? this.last.run(this.up4.run(features), embedding) : features;
    const { at, rows, columns } = this.out.run(quarter);
    this.kernel.c.bibc_spread(rows, columns, STEM, at, pixels.at);
    return quarter;
  }
}

/**
 * The pixels of a level's latent.
 * @param {Weights} weights
 * @param {number} level
 * @param {number} cell
 * @param {number} dim
 */
function linearOf(weights, level, cell, dim) {
  const basis = weights.get(`decoder.transforms.${level}.inverse_basis`); // [dim, 3 · cell²]
  const size = basis.length / dim;
  const weight = Float32Array.from(basis, (_, n) => basis[(n % dim) * size + Math.floor(n / dim)]);
  return new Linear(weights.kernel, { weight, inputs: dim, outputs: 3, up: cell });
}

/**
 * The embedding of a latent and its remainder, which stand one behind the other in the weights.
 * @param {Weights} weights
 * @param {number} level
 * @param {number} dim
 */
function embedOf(weights, level, dim) {
  const [weight, bias] = ["weight", "bias"].map((part) => weights.get(`decoder.embed.${level}.${part}`));
  const [first, second] = columnsOf(weight, bias.length, [dim, dim]);
  const shape = { inputs: dim, outputs: bias.length };
  return {
    first: new Linear(weights.kernel, { ...shape, weight: first, bias }),
    second: new Linear(weights.kernel, { ...shape, weight: second }),
  };
}

/**
 * Parts of a matrix, side by side in it.
 * @param {Float32Array} matrix
 * @param {number} rows
 * @param {number[]} sizes columns of each part
 */
export function columnsOf(matrix, rows, sizes) {
  const columns = matrix.length / rows;
  let first = 0;
  return sizes.map((size) => {
    const start = first;
    first += size;
    return Float32Array.from({ length: rows * size }, (_, n) => {
      return matrix[Math.floor(n / size) * columns + start + (n % size)];
    });
  });
}

/**
 * @param {Weights} weights
 * @param {string} name
 * @param {number} cell
 */
function guessOf(weights, name, cell) {
  return cell > STEM ? pointwise(weights, name) : Convolution.of(weights, name);
}

/**
 * The fine level's analysis of the coarse level's synthesis, as one layer.
 * @param {Weights} weights
 * @param {number} coarser
 * @param {import("./model.js").Level} coarse
 * @param {number} level
 * @param {import("./model.js").Level} fine
 */
function composed(weights, coarser, coarse, level, fine) {
  const { kernel } = weights;
  const analysis = weights.get(`decoder.transforms.${level}.forward_basis`);
  const basis = weights.get(`decoder.transforms.${coarser}.inverse_basis`); // [dim, 3, cell, cell]
  const [size, up] = [coarse.cell ** 2, coarse.cell / fine.cell];
  const pictures = Float32Array.from(basis, (_, n) => {
    return basis[(Math.floor(n / size / 3) * 3 + (n % 3)) * size + (Math.floor(n / 3) % size)];
  });
  const found = kernel.aside(() => {
    const shape = { rows: coarse.dim * coarse.cell, columns: coarse.cell, channels: 3 };
    const layer = new Linear(kernel, { weight: analysis, inputs: 3, outputs: fine.dim, down: fine.cell });
    const { at, rows, columns, channels } = layer.run({ at: kernel.put(pictures), ...shape });
    return kernel.floats(at, rows * columns * channels).slice(); // [coarse.dim, up, up, fine.dim]
  });
  const weight = new Float32Array(found.length); // [fine.dim, up, up, coarse.dim]
  const squares = up * up;
  for (let from = 0, z = 0; z < coarse.dim; z++) {
    for (let place = 0; place < squares; place++) {
      for (let d = 0; d < fine.dim; d++, from++) weight[(d * squares + place) * coarse.dim + z] = found[from];
    }
  }
  return new Linear(kernel, { weight, inputs: coarse.dim, outputs: fine.dim, up });
}
