/**
 * The decoder's levels, coarse to fine: what their indices mean, and what they say of the next one.
 *
 * The steps are those of `codec/runtime/decoder_pass.py`. A step runs on a window that is larger than
 * its tile by as far as its convolutions reach, so the results do not depend on the tiles.
 */

import { FeatureMap, Window } from "./maps.js";

/** @typedef {import("./engine.js").Engine} Engine */

export const TILE = 768; // pixels a side of what the networks see at once

/**
 * An image's tiles, each with the window that a step must see for it.
 * @param {Engine} engine
 * @param {string} step
 * @param {Window} whole
 * @returns {Generator<[Window, Window]>}
 */
export function* windows(engine, step, whole) {
  for (const tile of whole.tiles(TILE)) yield [tile, tile.grown(engine.model.reaches[step], whole)];
}

/**
 * The window of an image, in whole cells of the coarsest level.
 * @param {import("./model.js").Model} model
 * @param {{ height: number, width: number }} size
 */
export function wholeWindow({ levels: [{ cell }] }, { height, width }) {
  return new Window(0, 0, height, width).rounded(cell);
}

export class Descent {
  /** Of each level that was met. @type {FeatureMap[]} */
  latents = [];
  /** @type {FeatureMap[]} */
  features = [];
  /** @type {Float32Array | undefined} */
  #embedding;

  /**
   * @param {Engine} engine
   * @param {{ height: number, width: number, quality: number }} header
   * @param {Uint16Array[]} indices of the first stages, or of all; a level's must be there once it is
   *   met
   */
  constructor(engine, header, indices) {
    this.engine = engine;
    this.model = engine.model;
    this.header = header;
    this.indices = indices;
    this.whole = wholeWindow(this.model, header);
  }

  /** Meet the levels that were not met yet. */
  finish() {
    while (this.latents.length < this.model.levels.length) this.next();
  }

  /** Meet the next level: its features and its latent. */
  next() {
    const level = this.latents.length;
    const { cell, dim, begin = 0 } = this.model.levels[level];
    const coded = !begin || this.indices.length > this.model.firstStage(level);
    const step = coded ? "update" : "extend";
    const latent = new FeatureMap(this.whole, cell, dim);
    let features = /** @type {FeatureMap | null} */ (null);
    for (const [tile, window] of windows(this.engine, `${step} ${level}`, this.whole)) {
      const remainder = coded ? this.#remainder(level, window) : null;
      const before = this.features.at(-1)?.part(window);
      const made = this.engine.update(level, this.embedding, remainder, before, this.latentsOf(window));
      features ??= new FeatureMap(this.whole, cell, made.features.channels);
      features.copy(made.features, tile);
      latent.copy(made.latent, tile);
    }
    this.features.push(/** @type {FeatureMap} */ (features));
    this.latents.push(latent);
  }

  /** What the levels that were met predict of the next one's latent: (height/cell, width/cell, D). */
  predict() {
    const level = this.latents.length;
    const { cell, dim } = this.model.levels[level];
    const prediction = new FeatureMap(this.whole, cell, dim);
    if (!level) return prediction; // nothing is known: zeros
    for (const [tile, window] of windows(this.engine, `predict ${level}`, this.whole)) {
      const before = this.features[level - 1].part(window);
      prediction.copy(this.engine.predict(level, this.embedding, before, this.latentsOf(window)), tile);
    }
    return prediction;
  }

  get embedding() {
    this.#embedding ??= this.engine.embed(this.model.condition(this.header.quality, this.indices.length));
    return this.#embedding;
  }

  /** @param {Window} window */
  latentsOf(window) {
    return this.latents.map((map) => map.part(window));
  }

  /**
   * The sum of the centroids of a level's stages, zero outside the image.
   * @param {number} level
   * @param {Window} window
   */
  #remainder(level, window) {
    const { cell, dim, stages } = this.model.levels[level];
    const first = this.model.firstStage(level);
    const map = new FeatureMap(window, cell, dim);
    const [top, left] = [window.top / cell, window.left / cell];
    const columns = Math.ceil(this.header.width / cell);
    const rows = Math.ceil(this.header.height / cell);
    this.indices.slice(first, first + stages).forEach((grid, n) => {
      const book = this.model.codebooks[first + n];
      for (let y = 0; y < Math.min(map.rows, rows - top); y++) {
        for (let x = 0; x < Math.min(map.columns, columns - left); x++) {
          const code = grid[(top + y) * columns + left + x] * dim;
          const place = (y * map.columns + x) * dim;
          for (let d = 0; d < dim; d++) map.values[place + d] += book[code + d];
        }
      }
    });
    return map;
  }
}
