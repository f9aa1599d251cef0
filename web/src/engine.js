/** The steps of the networks on a window of an image, as `codec/runtime/engine.py` says what they mean. */

import { Analysis } from "./analysis.js";
import { Detail } from "./detail.js";
import { search } from "./search.js";
import { Synthesis } from "./synthesis.js";

/** @typedef {import("./kernel.js").Kernel} Kernel */
/** @typedef {import("./kernel.js").Place} Place */
/** @typedef {import("./maps.js").FeatureMap} FeatureMap */
/** @typedef {import("./model.js").Model} Model */
/** @typedef {{ mean: FeatureMap, features: FeatureMap[] }} Rendered features at 1/8 and 1/4 of the resolution */

export class Engine {
  /** @type {Analysis | null} */
  #analysis = null;

  /**
   * Loads what decoding takes.
   * @param {Model} model
   * @param {Kernel} kernel
   */
  static async load(model, kernel) {
    const { decoder, detail } = await model.loadWeights(kernel);
    const residual = detail && new Detail(detail, model.noise);
    return new Engine(model, kernel, new Synthesis(decoder, model.levels), residual);
  }

  /**
   * @param {Model} model
   * @param {Kernel} kernel
   * @param {Synthesis} synthesis
   * @param {Detail | null} detail
   */
  constructor(model, kernel, synthesis, detail) {
    this.model = model;
    this.kernel = kernel;
    this.synthesis = synthesis;
    this.residual = detail;
  }

  /** Load what encoding takes beside that. */
  async loadEncoder() {
    this.#analysis ??= new Analysis(await this.model.encoderWeights(this.kernel), this.model.levels);
  }

  /**
   * @param {Float32Array} condition
   * @returns {Float32Array}
   */
  embed(condition) {
    return this.synthesis.embedding(condition);
  }

  /**
   * What the coarser levels predict of a level's latent.
   * @param {number} level 1 or more
   * @param {Float32Array} embedding
   * @param {FeatureMap} features of the level before
   * @param {FeatureMap[]} latents of all coarser levels
   * @returns {FeatureMap}
   */
  predict(level, embedding, features, latents) {
    return this.kernel.aside(() => {
      const { guess } = this.synthesis.extend(level, embedding, this.kernel.enter(features));
      this.synthesis.addLinear(level, this.#enter(latents), guess);
      return this.kernel.leave(guess, features.window);
    });
  }

  /**
   * A level's features and latent, once its remainder is decoded.
   * @param {number} level
   * @param {Float32Array} embedding
   * @param {FeatureMap | null} remainder null if the level is not coded: it stays as predicted
   * @param {FeatureMap | undefined} features of the level before
   * @param {FeatureMap[]} latents of all coarser levels
   * @returns {{ features: FeatureMap, latent: FeatureMap }}
   */
  update(level, embedding, remainder, features, latents) {
    const { kernel, synthesis } = this;
    const { window } = /** @type {FeatureMap} */ (features ?? remainder);
    return kernel.aside(() => {
      if (!features) return this.#begin(embedding, /** @type {FeatureMap} */ (remainder));
      const coded = remainder && kernel.enter(remainder);
      const { hidden, guess } = synthesis.extend(level, embedding, kernel.enter(features));
      const latent = kernel.leave(guess, window);
      if (remainder && coded) {
        latent.add(remainder, window);
        synthesis.addLinear(level, this.#enter(latents), guess);
        this.#add(guess, coded);
        synthesis.update(level, embedding, guess, coded, hidden);
      }
      return { features: kernel.leave(hidden, window), latent };
    });
  }

  /**
   * The coarsest level: nothing is predicted of it.
   * @param {Float32Array} embedding
   * @param {FeatureMap} remainder
   */
  #begin(embedding, remainder) {
    const latent = this.kernel.enter(remainder);
    const features = this.synthesis.update(0, embedding, latent, latent);
    return { features: this.kernel.leave(features, remainder.window), latent: remainder };
  }

  /**
   * The conditional mean of a window, and the features that the detail network takes.
   * @param {Float32Array} embedding
   * @param {FeatureMap[]} latents of all levels, of a window that may be larger
   * @param {FeatureMap[]} features of the finest level and of the one before
   * @param {import("./maps.js").Window} window
   * @returns {Rendered}
   */
  render(embedding, latents, [finest, coarser], window) {
    const { kernel, synthesis } = this;
    return kernel.aside(() => {
      const linear = kernel.leave(synthesis.pixels(this.#enter(latents)), latents[0].window);
      const pixels = kernel.enter(linear.part(window));
      const given = kernel.enter(finest);
      const quarter = synthesis.render(embedding, pixels, given);
      const eighth = quarter === given ? coarser : finest;
      return { mean: kernel.leave(pixels, window), features: [eighth, kernel.leave(quarter, window)] };
    });
  }

  /**
   * The residual r of a window.
   * @param {Float32Array} embedding
   * @param {Rendered} rendered
   * @param {FeatureMap[]} noise
   * @param {FeatureMap} [texture]
   * @returns {FeatureMap}
   */
  detail(embedding, { mean, features }, noise, texture) {
    const { kernel } = this;
    return kernel.aside(() => {
      const detail = /** @type {Detail} */ (this.residual);
      const residual = detail.run(embedding, kernel.enter(mean), this.#enter(features), noise, texture);
      return kernel.leave(residual, mean.window);
    });
  }

  /**
   * The linear part of all latents.
   * @param {FeatureMap} pixels
   */
  analyze(pixels) {
    const { kernel } = this;
    return kernel.aside(() => {
      const given = kernel.enter(pixels);
      const latents = this.model.levels.map((_, level) => this.#encoder.latent(level, given));
      return latents.map((latent) => kernel.leave(latent, pixels.window));
    });
  }

  /**
   * The network's part of a level's latent, and what the next coarser level starts from.
   * @param {number} level
   * @param {FeatureMap} features pixels at the finest level
   */
  refine(level, features) {
    const { kernel } = this;
    return kernel.aside(() => {
      const { correction, coarser } = this.#encoder.refine(level, kernel.enter(features));
      return {
        correction: kernel.leave(correction, features.window),
        coarser: coarser && kernel.leave(coarser, features.window),
      };
    });
  }

  /**
   * Codes of a level's stages that jointly quantize vectors, see `search.js`.
   * @param {number} level
   * @param {Float32Array} vectors [n, D]
   * @param {Float32Array} biases [stages, K]
   * @param {number} width
   */
  search(level, vectors, biases, width) {
    const first = this.model.firstStage(level);
    const books = this.model.codebooks.slice(first, first + this.model.levels[level].stages);
    return search(this.kernel, vectors, books, biases, width);
  }

  get #encoder() {
    if (!this.#analysis) throw new Error("the encoder is not loaded");
    return this.#analysis;
  }

  /** @param {FeatureMap[]} maps */
  #enter(maps) {
    return maps.map((map) => this.kernel.enter(map));
  }

  /**
   * @param {Place} to
   * @param {Place} added of the same shape
   */
  #add(to, added) {
    const count = to.rows * to.columns * to.channels;
    const [sum, terms] = [this.kernel.floats(to.at, count), this.kernel.floats(added.at, count)];
    for (let n = 0; n < count; n++) sum[n] += terms[n];
  }
}
