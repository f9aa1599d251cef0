/**
 * From indices to a picture: the decoder's top-down pass, tile by tile.
 *
 * The steps are those of `codec/runtime/decoder_pass.py`. A step runs on a window that is larger than
 * its tile by as far as its convolutions reach, so the picture does not depend on the tiles.
 */

import { isGrey, storedSeed } from "./container.js";
import { FeatureMap, Window } from "./maps.js";
import { noise } from "./noise.js";

/** @typedef {import("./container.js").Container} Container */
/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./model.js").Model} Model */

const TILE = 512; // pixels a side of what the networks see at once

/** A file's picture: the conditional mean g, and the residual r of a seed. */
export class Picture {
  /** Of each level, coarse to fine: what g and r start from. */
  #latents = /** @type {FeatureMap[]} */ ([]);
  #features = /** @type {FeatureMap[]} */ ([]);
  #embedding = /** @type {any} */ (null);
  /** What is made: g, and r of one seed. */
  #mean = /** @type {FeatureMap | null} */ (null);
  #residual = /** @type {FeatureMap | null} */ (null);
  #seed = /** @type {bigint | null} */ (null);

  /**
   * @param {Engine} engine
   * @param {Container} file
   * @param {Uint16Array[]} indices of the first stages, or of all
   * @param {Uint8Array | null} alpha height × width
   */
  constructor(engine, file, indices, alpha = null) {
    this.engine = engine;
    this.model = engine.model;
    this.file = file;
    this.indices = indices;
    this.alpha = alpha;
    const [{ cell }] = this.model.levels;
    this.whole = new Window(0, 0, file.header.height, file.header.width).rounded(cell);
  }

  /**
   * The pixels, RGBA in rows from the top: g + realism · r.
   * @param {number} realism 0..1; at 0 the detail network does not run
   * @param {bigint} [seed] of the noise; the file's if not given
   * @returns {Promise<Uint8ClampedArray>}
   */
  async pixels(realism, seed = storedSeed(this.file)) {
    if (!this.#mean || (realism && this.model.noise.length && this.#seed !== seed)) {
      await this.#render(realism ? seed : null);
    }
    return this.#displayed(realism);
  }

  /** The levels, coarse to fine. */
  async #descend() {
    const { header } = this.file;
    const condition = this.model.condition(header.quality, this.indices.length);
    this.#embedding = await this.engine.embed(condition);
    for (const [level, { cell, dim, begin = 0 }] of this.model.levels.entries()) {
      const coded = !begin || this.indices.length > this.model.firstStage(level);
      const step = coded ? "update" : "extend";
      const latent = new FeatureMap(this.whole, cell, dim);
      let features = /** @type {FeatureMap | null} */ (null);
      for (const [tile, window] of this.#windows(`${step} ${level}`)) {
        const inputs = {
          embedding: this.#embedding,
          features: this.#features.at(-1)?.part(window),
          remainder: coded ? this.#remainder(level, window) : undefined,
          ...this.#latentsOf(window),
        };
        const results = await this.engine.run(`${step}_${level}`, inputs, window);
        features ??= new FeatureMap(this.whole, cell, results.finer_features.channels);
        features.copy(results.finer_features, tile);
        latent.copy(results.latent, tile);
      }
      this.#features.push(/** @type {FeatureMap} */ (features));
      this.#latents.push(latent);
    }
  }

  /** @param {Window} window */
  #latentsOf(window) {
    const parts = this.#latents.map((map, level) => [`latent_${level}`, map.part(window)]);
    return Object.fromEntries(parts);
  }

  /**
   * Make g, and r of a seed if one is given.
   * @param {bigint | null} seed
   */
  async #render(seed) {
    if (!this.#latents.length) await this.#descend();
    const mean = new FeatureMap(this.whole, 1, 3);
    const residual = seed === null ? null : new FeatureMap(this.whole, 1, 3);
    for (const [tile, window] of this.#windows(residual ? "render detail" : "render mean")) {
      const wider = window.rounded(this.model.levels[0].cell);
      const { pixels } = await this.engine.run("synthesize", this.#latentsOf(wider), wider);
      const given = {
        embedding: this.#embedding,
        pixels: pixels.part(window),
        features: this.#features.at(-1)?.part(window),
        coarser_features: this.#features.at(-2)?.part(window),
      };
      const rendered = await this.engine.run("render", given, window);
      mean.copy(rendered.mean, tile);
      if (!residual) continue;
      const noise = this.#noise(/** @type {bigint} */ (seed), window);
      const inputs = { embedding: this.#embedding, ...rendered, ...noise };
      residual.copy((await this.engine.run("detail", inputs, window)).residual, tile);
    }
    this.#mean = mean;
    if (residual) [this.#residual, this.#seed] = [residual, seed];
  }

  /**
   * The tiles of the picture, each with the window that a step must see for it.
   * @param {string} step
   * @returns {Generator<[Window, Window]>}
   */
  *#windows(step) {
    for (const tile of this.whole.tiles(TILE)) {
      yield [tile, tile.grown(this.model.reaches[step], this.whole)];
    }
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
    const columns = Math.ceil(this.file.header.width / cell);
    const rows = Math.ceil(this.file.header.height / cell);
    const size = map.rows * map.columns;
    this.indices.slice(first, first + stages).forEach((grid, n) => {
      const book = this.model.codebooks[first + n];
      for (let y = 0; y < Math.min(map.rows, rows - top); y++) {
        for (let x = 0; x < Math.min(map.columns, columns - left); x++) {
          const code = grid[(top + y) * columns + left + x] * dim;
          const place = y * map.columns + x;
          for (let d = 0; d < dim; d++) map.values[d * size + place] += book[code + d];
        }
      }
    });
    return map;
  }

  /**
   * The noise of a window at each scale.
   * @param {bigint} seed
   * @param {Window} window
   */
  #noise(seed, window) {
    const maps = this.model.noise.map(({ cell, channels }) => {
      const map = new FeatureMap(window, cell, channels);
      const corner = { top: window.top / cell, left: window.left / cell };
      map.values = noise(seed, cell, corner, map);
      return [`noise_${cell}`, map];
    });
    return Object.fromEntries(maps);
  }

  /** @param {number} realism */
  #displayed(realism) {
    const { width, height } = this.file.header;
    const mean = /** @type {FeatureMap} */ (this.#mean).values;
    const residual = this.#residual?.values;
    const out = new Uint8ClampedArray(4 * width * height); // rounds half to even
    const size = this.whole.width * this.whole.height;
    const sample = (/** @type {number} */ at) => {
      const x = mean[at] + (realism && residual ? realism * residual[at] : 0);
      return Math.min(255, Math.max(0, (x + 1) * 127.5));
    };
    const grey = isGrey(this.file);
    for (let y = 0, to = 0; y < height; y++) {
      let from = y * this.whole.width;
      for (let x = 0; x < width; x++, from++, to += 4) {
        for (let c = 0; c < 3; c++) out[to + c] = sample(c * size + from);
        if (grey) out.fill((sample(from) + sample(size + from) + sample(2 * size + from)) / 3, to, to + 3);
        out[to + 3] = this.alpha ? this.alpha[to / 4] : 255;
      }
    }
    return out;
  }
}
