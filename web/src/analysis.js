/** The encoder's network f, as `codec/networks/encoder.py`: pixels to a latent for each level. */

import { Block, Convolution, Linear, pointwise } from "./layers.js";

/** @typedef {import("./kernel.js").Place} Place */
/** @typedef {import("./weights.js").Weights} Weights */

const STEM = 4; // pixels a side of the cells where the network begins

export class Analysis {
  /**
   * @param {Weights} weights
   * @param {import("./model.js").Level[]} levels coarse to fine
   */
  constructor(weights, levels) {
    this.levels = levels;
    this.linear = levels.map(({ cell, dim }, level) => {
      const weight = weights.get(`encoder.transforms.${level}.forward_basis`);
      return new Linear(weights.kernel, { weight, inputs: 3, outputs: dim, down: cell });
    });
    this.squares = squaresOf(weights.kernel);
    this.stem = Convolution.of(weights, "encoder.stem.1");
    this.entry = new Block(weights, "encoder.stem.2");
    this.heads = levels.map((_, level) => pointwise(weights, `encoder.heads.${level}`));
    /** By the cells that they lead to. @type {Map<number, { down: Linear, blocks: Block[] }>} */
    this.trunk = new Map();
    for (let cell = 2 * STEM; cell <= levels[0].cell; cell *= 2) {
      const down = pointwise(weights, `encoder.to${cell}.0.1`, { down: 2 });
      this.trunk.set(cell, { down, blocks: Block.row(weights, `encoder.to${cell}`, 1) });
    }
  }

  /**
   * The linear part of a level's latent.
   * @param {number} level
   * @param {Place} pixels
   */
  latent(level, pixels) {
    return this.linear[level].run(pixels);
  }

  /**
   * The network's part of a level; levels come fine to coarse.
   * @param {number} level
   * @param {Place} given pixels at the finest level, else what the level before gave; is changed
   * @returns {{ correction: Place, coarser: Place | null }} for the level's latent, and for the next level
   */
  refine(level, given) {
    let x = given;
    const { cell } = this.levels[level];
    if (level < this.levels.length - 1) {
      for (const block of this.#to(cell).blocks) block.run(x);
    } else {
      x = this.entry.run(this.stem.run(this.squares.run(x)));
      for (let scale = 2 * STEM; scale <= cell; scale *= 2) {
        x = this.#to(scale).down.run(x);
        for (const block of this.#to(scale).blocks) block.run(x);
      }
    }
    const coarser = level ? this.#to(2 * cell).down.run(x) : null;
    return { correction: this.heads[level].run(x), coarser };
  }

  /** @param {number} cell */
  #to(cell) {
    return /** @type {{ down: Linear, blocks: Block[] }} */ (this.trunk.get(cell));
  }
}

/**
 * Squares of 4 × 4 pixels as channels.
 * @param {import("./kernel.js").Kernel} kernel
 */
function squaresOf(kernel) {
  const count = 3 * STEM ** 2;
  const weight = Float32Array.from({ length: count ** 2 }, (_, n) => Number(n % (count + 1) === 0));
  return new Linear(kernel, { weight, inputs: 3, outputs: count, down: STEM });
}
