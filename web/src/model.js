/** A model's files: what its networks look like, its prior, its codebooks, its graphs. */

import { compiled } from "./compiled.js";
import { ContextPrior } from "./context.js";
import { CodecError, ModelMismatchError } from "./errors.js";
import { loadPrior } from "./prior.js";
import { LEAST_SIDE, codeStatistics, errorStatistics, percentile } from "./novelty.js";
import { readSafetensors } from "./safetensors.js";
import { CELL } from "./texture.js";
import { Weights } from "./weights.js";

/** @typedef {(name: string) => Promise<Uint8Array>} ReadFile reads a file of the model's folder */
/** @typedef {{ cell: number, dim: number, stages: number, codes: number, begin?: number }} Level */
/** @typedef {{ levels: Level[], lambda_coarse: number, lambda_fine: number, texture?: number }} Config */
/** @typedef {{ level: number, codes: number, texture: boolean }} Stage */
/** @typedef {{ fingerprint: string, reaches: Record<string, number>, noise: [number, number][] }} Manifest */

const DECODER = "decoder.safetensors"; // what decoding takes of the weights: networks and codebooks
const ENCODER = "encoder.safetensors"; // what encoding takes beside that
const DETAIL = "detail.safetensors";
const RANGES = 8; // ranges of qualities that have code shares of their own

export class Model {
  /**
   * @param {ReadFile} readFile
   * @param {Config} config
   * @param {import("./state.js").Prior} prior
   * @param {Manifest} manifest of the graphs
   * @param {import("./novelty.js").Calibration | null} calibration
   */
  constructor(readFile, config, prior, { fingerprint, reaches, noise }, calibration) {
    this.readFile = readFile;
    this.config = config;
    /** Coarse to fine. */
    this.levels = config.levels;
    /** In coding order. */
    this.stages = stagesOf(config);
    /** Number of the stage of texture codes; -1 if there is none. */
    this.textureStage = this.stages.findIndex(({ texture }) => texture);
    this.prior = prior;
    this.calibration = calibration;
    this.fingerprint = fingerprint;
    /** How many pixels each step looks beyond a tile. */
    this.reaches = reaches;
    /** @type {Float32Array[]} per stage the centroids [K, D] */
    this.codebooks = [];
    /** How often each code is used, [range of qualities, stage, code]. */
    this.shares = /** @type {Float32Array} */ (new Float32Array(0));
    /** The scales of the noise, coarse to fine; none if the model synthesizes no detail. */
    this.noise = noise.map(([cell, channels]) => ({ cell, channels }));
  }

  /**
   * Load what decoding to indices takes: the prior, and what the files say of the model.
   * @param {ReadFile} readFile
   * @param {string} [contexts] file of the compiled contexts; without it they are JavaScript
   */
  static async load(readFile, contexts) {
    const [config, manifest, prior, calibration] = await Promise.all(
      ["config.json", "graphs/graphs.json", "prior.safetensors", "novelty.json"].map(readFile),
    );
    const about = parsed(manifest);
    if (about.schema !== 1) {
      throw new CodecError(`the model's graphs are of schema ${about.schema}, expected 1`);
    }
    const plain = loadPrior(prior, "prior.safetensors");
    const compiles = contexts && plain instanceof ContextPrior;
    const best = compiles ? await compiled(plain, await readFile(contexts)) : plain;
    return new Model(readFile, parsed(config), best, about, parsed(calibration));
  }

  /**
   * Load what decoding to pixels takes: the codebooks, and the networks' weights, which are given back.
   * @param {import("./kernel.js").Kernel} kernel
   */
  async loadWeights(kernel) {
    const detail = this.noise.length ? this.#weights(kernel, DETAIL) : null;
    const decoder = await this.#weights(kernel, DECODER);
    this.codebooks = this.prior.cells.map((_, stage) => decoder.get(`quantizer.codebook${stage}`));
    this.shares = decoder.get("quantizer.shares");
    return { decoder, detail: await detail };
  }

  /**
   * The weights that encoding takes beside that.
   * @param {import("./kernel.js").Kernel} kernel
   */
  encoderWeights(kernel) {
    return this.#weights(kernel, ENCODER);
  }

  /**
   * @param {import("./kernel.js").Kernel} kernel
   * @param {string} name
   */
  async #weights(kernel, name) {
    return new Weights(kernel, readSafetensors(await this.readFile(name), name).tensors);
  }

  /**
   * Number of a level's first stage.
   * @param {number} level
   */
  firstStage(level) {
    return this.stages.findIndex((stage) => stage.level === level);
  }

  /**
   * Refuse a file of another model.
   * @param {import("./header.js").Header} header
   */
  check({ fingerprint }) {
    if (fingerprint === this.fingerprint) return;
    throw new ModelMismatchError(
      `written with the model ${fingerprint}, but the model given is ${this.fingerprint}: ` +
        "decode with the one that wrote the file",
    );
  }

  /**
   * λ of a quality 0..100: squared error (pixels in [-1, 1]) per bit.
   * @param {number} quality
   */
  lambdaAt(quality) {
    const { lambda_coarse: coarse, lambda_fine: fine } = this.config;
    return coarse * (fine / coarse) ** (quality / 100);
  }

  /**
   * How many stages are coded at a quality.
   * @param {number} quality
   */
  codedStages(quality) {
    return this.stages.filter(({ level }) => (this.levels[level].begin ?? 0) <= quality).length;
  }

  /**
   * Bits of each code of a stage at a quality: −log₂ of its share, linear between the middles of the
   * ranges of qualities.
   * @param {number} stage
   * @param {number} quality
   */
  codeLengths(stage, quality) {
    const at = Math.min(Math.max((quality * RANGES) / 100 - 0.5, 0), RANGES - 1);
    const low = Math.min(Math.floor(at), RANGES - 2);
    const stages = this.codebooks.length;
    const most = this.shares.length / RANGES / stages;
    return Float32Array.from({ length: this.stages[stage].codes }, (_, code) => {
      const [first, second] = [low, low + 1].map((range) => {
        return -Math.log2(this.shares[(range * stages + stage) * most + code]);
      });
      return first + (at - low) * (second - first);
    });
  }

  /**
   * Percentile of a coded image among photographs; null if the model cannot judge it: it is below 256
   * pixels a side, or lacks stages that its quality codes.
   * @param {import("./header.js").Header} header
   * @param {Uint16Array[]} indices
   * @param {number} payload bytes that they take in the file
   * @param {import("./novelty.js").Energy[] | null} energy null if only the file is known
   */
  novelty({ width, height, quality }, indices, payload, energy) {
    if (this.calibration?.fingerprint !== this.fingerprint) return null;
    if (Math.min(width, height) < LEAST_SIDE) return null;
    if (indices.length !== this.codedStages(quality)) return null;
    const lengths = this.codebooks.map((_, stage) => this.codeLengths(stage, quality));
    const code = codeStatistics(lengths, indices, payload);
    return percentile(this.calibration, quality, code, energy && errorStatistics(energy));
  }

  /**
   * What the decoder knows: quality in [-1, 1] and the share of each level's stages.
   * @param {number} quality
   * @param {number} stages that are there
   */
  condition(quality, stages) {
    const known = this.stages.slice(0, stages).filter(({ texture }) => !texture);
    const shares = this.levels.map((level, number) => {
      return known.filter((stage) => stage.level === number).length / level.stages;
    });
    return Float32Array.of(quality / 50 - 1, ...shares);
  }
}

/**
 * The stages of a model: each level's, then that of texture codes after those of its cells' level.
 * @param {Config} config
 * @returns {Stage[]}
 */
function stagesOf({ levels, texture: codes = 0 }) {
  return levels.flatMap((given, level) => {
    const stages = Array(given.stages).fill({ level, codes: given.codes, texture: false });
    const textured = codes && given.cell === CELL;
    return textured ? [...stages, { level, codes, texture: true }] : stages;
  });
}

/** @param {Uint8Array} json */
function parsed(json) {
  return JSON.parse(new TextDecoder().decode(json));
}
