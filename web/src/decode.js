/** From indices to a picture: g and r, tile by tile. */

import { isGrey, storedSeed } from "./container.js";
import { Descent, windows } from "./descent.js";
import { FeatureMap } from "./maps.js";
import { noise } from "./noise.js";
import { textureMap } from "./texture.js";

/** @typedef {import("./container.js").Container} Container */
/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./maps.js").Window} Window */

/**
 * The conditional mean g, tile by tile, with what the detail network takes of the decoder.
 * @param {Descent} descent
 * @param {string} name of the step, which says how far the windows reach
 */
export function* rendered(descent, name) {
  const { engine, model, whole } = descent;
  descent.finish();
  for (const [tile, window] of windows(engine, name, whole)) {
    const wider = window.rounded(model.levels[0].cell);
    const features = descent.features.slice(-2).reverse().map((map) => map.part(window));
    const results = engine.render(descent.embedding, descent.latentsOf(wider), features, window);
    yield { tile, window, results };
  }
}

/** A file's picture: the conditional mean g, and the residual r of a seed. */
export class Picture {
  /** What is made: g, and r of one seed. */
  #mean = /** @type {FeatureMap | null} */ (null);
  #residual = /** @type {FeatureMap | null} */ (null);
  #seed = /** @type {bigint | null} */ (null);

  /**
   * @param {Engine} engine
   * @param {Container} file
   * @param {Uint16Array[]} indices of the first stages, or of all
   * @param {Uint8Array | null} alpha height × width
   * @param {Descent} descent of the indices, as far as it was made
   */
  constructor(engine, file, indices, alpha, descent = new Descent(engine, file.header, indices)) {
    this.engine = engine;
    this.model = engine.model;
    this.file = file;
    this.alpha = alpha;
    this.descent = descent;
    this.whole = descent.whole;
  }

  /** How many pixels it has what was made of its indices in memory for. */
  get held() {
    return this.descent.latents.length ? this.whole.width * this.whole.height : 0;
  }

  /** Give back all but the indices: it is made anew when it is asked for. */
  forget() {
    this.descent = new Descent(this.engine, this.file.header, this.descent.indices);
    this.#mean = this.#residual = this.#seed = null;
  }

  /**
   * The pixels, RGBA in rows from the top: g + realism · r.
   * @param {number} realism 0..1; at 0 the detail network does not run
   * @param {bigint} [seed] of the noise; the file's if not given
   * @returns {Uint8ClampedArray}
   */
  pixels(realism, seed = storedSeed(this.file)) {
    if (!this.#mean || (realism && this.model.noise.length && this.#seed !== seed)) {
      this.#render(realism ? seed : null);
    }
    return this.#displayed(realism);
  }

  /**
   * Make g, and r of a seed if one is given.
   * @param {bigint | null} seed
   */
  #render(seed) {
    const mean = new FeatureMap(this.whole, 1, 3);
    const residual = seed === null ? null : new FeatureMap(this.whole, 1, 3);
    const name = residual ? "render detail" : "render mean";
    for (const { tile, window, results } of rendered(this.descent, name)) {
      mean.copy(results.mean, tile);
      if (!residual) continue;
      const noise = this.#noise(/** @type {bigint} */ (seed), window);
      const { embedding } = this.descent;
      residual.copy(this.engine.detail(embedding, results, noise, this.#texture(window)), tile);
    }
    this.#mean = mean;
    if (residual) [this.#residual, this.#seed] = [residual, seed];
  }

  /**
   * What the texture codes say of a window, if the model has them.
   * @param {Window} window
   */
  #texture(window) {
    const { model, indices, header } = this.descent;
    const stage = model.textureStage;
    return stage < 0 ? undefined : textureMap(model.codebooks[stage], indices[stage], header, window);
  }

  /**
   * The noise of a window at each scale.
   * @param {bigint} seed
   * @param {Window} window
   */
  #noise(seed, window) {
    return this.model.noise.map(({ cell, channels }) => {
      const map = new FeatureMap(window, cell, channels);
      const corner = { top: window.top / cell, left: window.left / cell };
      map.values = noise(seed, cell, corner, map);
      return map;
    });
  }

  /** @param {number} realism */
  #displayed(realism) {
    const { width, height } = this.file.header;
    const mean = /** @type {FeatureMap} */ (this.#mean).values;
    const residual = this.#residual?.values;
    const out = new Uint8ClampedArray(4 * width * height); // rounds half to even
    const sample = (/** @type {number} */ at) => {
      const x = mean[at] + (realism && residual ? realism * residual[at] : 0);
      return Math.min(255, Math.max(0, (x + 1) * 127.5));
    };
    const grey = isGrey(this.file);
    for (let y = 0, to = 0; y < height; y++) {
      let from = 3 * y * this.whole.width;
      for (let x = 0; x < width; x++, from += 3, to += 4) {
        for (let c = 0; c < 3; c++) out[to + c] = sample(from + c);
        if (grey) out.fill((sample(from) + sample(from + 1) + sample(from + 2)) / 3, to, to + 3);
        out[to + 3] = this.alpha ? this.alpha[to / 4] : 255;
      }
    }
    return out;
  }
}
