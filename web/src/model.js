/** A model's files: what its networks look like, its prior, its codebooks, its graphs. */

import { compiled } from "./compiled.js";
import { ContextPrior } from "./context.js";
import { CodecError, ModelMismatchError } from "./errors.js";
import { loadPrior } from "./prior.js";
import { readSafetensors } from "./safetensors.js";

/** @typedef {(name: string) => Promise<Uint8Array>} ReadFile reads a file of the model's folder */
/** @typedef {{ cell: number, dim: number, stages: number, codes: number, begin?: number }} Level */
/** @typedef {{ fingerprint: string, reaches: Record<string, number>, noise: [number, number][] }} Manifest */

const WEIGHTS = "weights.safetensors";
const DETAIL = "detail.safetensors";

export class Model {
  /**
   * @param {ReadFile} readFile
   * @param {Level[]} levels coarse to fine
   * @param {import("./state.js").Prior} prior
   * @param {Manifest} manifest of the graphs
   */
  constructor(readFile, levels, prior, { fingerprint, reaches, noise }) {
    this.readFile = readFile;
    this.levels = levels;
    this.prior = prior;
    this.fingerprint = fingerprint;
    /** How many pixels each step looks beyond a tile. */
    this.reaches = reaches;
    /** @type {Float32Array[]} per stage the centroids [K, D] */
    this.codebooks = [];
    /** The scales of the noise, coarse to fine; none if the model synthesizes no detail. */
    this.noise = noise.map(([cell, channels]) => ({ cell, channels }));
    /** The files that the graphs' weights are in. @type {Map<string, Uint8Array>} */
    this.weights = new Map();
  }

  /**
   * Load what decoding to indices takes: the prior, and what the files say of the model.
   * @param {ReadFile} readFile
   * @param {string} [contexts] file of the compiled contexts; without it they are JavaScript
   */
  static async load(readFile, contexts) {
    const [config, manifest, prior] = await Promise.all(
      ["config.json", "graphs/graphs.json", "prior.safetensors"].map(readFile),
    );
    const { levels } = JSON.parse(new TextDecoder().decode(config));
    const about = JSON.parse(new TextDecoder().decode(manifest));
    if (about.schema !== 1) {
      throw new CodecError(`the model's graphs are of schema ${about.schema}, expected 1`);
    }
    const plain = loadPrior(prior, "prior.safetensors");
    const compiles = contexts && plain instanceof ContextPrior;
    const best = compiles ? await compiled(plain, await readFile(contexts)) : plain;
    return new Model(readFile, levels, best, about);
  }

  /** Load what decoding to pixels takes: the weights. */
  async loadWeights() {
    if (this.weights.size) return;
    const names = this.noise.length ? [WEIGHTS, DETAIL] : [WEIGHTS];
    const files = await Promise.all(names.map(this.readFile));
    const { tensors } = readSafetensors(files[0], WEIGHTS);
    this.codebooks = this.prior.cells.map((_, stage) => floats(tensors, `quantizer.codebook${stage}`));
    names.forEach((name, n) => this.weights.set(name, files[n]));
  }

  /**
   * Number of a level's first stage.
   * @param {number} level
   */
  firstStage(level) {
    return this.levels.slice(0, level).reduce((sum, { stages }) => sum + stages, 0);
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
   * What the decoder knows: quality in [-1, 1] and the share of each level's stages.
   * @param {number} quality
   * @param {number} stages that are there
   */
  condition(quality, stages) {
    let left = stages;
    const shares = this.levels.map((level) => {
      const here = Math.min(left, level.stages);
      left -= here;
      return here / level.stages;
    });
    return Float32Array.of(quality / 50 - 1, ...shares);
  }
}

/**
 * The values of a tensor of floats.
 * @param {Map<string, import("./safetensors.js").Tensor>} tensors
 * @param {string} name
 */
function floats(tensors, name) {
  const tensor = tensors.get(name);
  if (tensor?.dtype === "F16") return Float32Array.from(tensor.values, fromHalf);
  if (tensor?.dtype === "F32") return Float32Array.from(tensor.values);
  throw new CodecError(`the model's weights lack ${name} as float16 or float32`);
}

/**
 * The number of a float16.
 * @param {number} bits
 */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}
