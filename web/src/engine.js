/** The networks' steps in onnxruntime-web: the graphs that the Python package exports. */

import * as ort from "onnxruntime-web/wasm";

import { FeatureMap } from "./maps.js";

/** @typedef {import("./maps.js").Window} Window */
/** @typedef {import("./model.js").Model} Model */

const ROWS = 2 ** 12; // partial sums searched at once: what a cache holds

/** Runs a step on maps of one window; a graph is loaded when its step is first run. */
export class Engine {
  /** @type {Map<string, Promise<ort.InferenceSession>>} */
  #sessions = new Map();

  /**
   * @param {Model} model whose weights are loaded
   * @param {Uint8Array} [runtime] onnxruntime's wasm file, where it is not found by itself
   */
  constructor(model, runtime) {
    this.model = model;
    const alone = !globalThis.crossOriginIsolated; // then there is no memory for threads to share
    ort.env.wasm.numThreads = alone ? 1 : Math.min(4, navigator.hardwareConcurrency);
    if (runtime) ort.env.wasm.wasmBinary = runtime;
  }

  /**
   * The embedding of a condition.
   * @param {Float32Array} condition
   */
  async embed(condition) {
    const tensor = new ort.Tensor("float32", condition, [1, condition.length]);
    const { embedding } = await (await this.#session("embed")).run({ condition: tensor });
    return embedding;
  }

  /**
   * Run a step.
   * @param {string} name of the graph
   * @param {Record<string, ort.Tensor | FeatureMap | undefined>} inputs maps of one window, those that
   *   the graph lists among them
   * @param {Window} window of the results
   * @returns {Promise<Record<string, FeatureMap>>}
   */
  async run(name, inputs, window) {
    const session = await this.#session(name);
    const given = session.inputNames.map((key) => [key, tensorOf(inputs[key])]);
    const results = Object.entries(await session.run(Object.fromEntries(given)));
    const maps = results.map(([key, { dims, data }]) => {
      const cell = window.height / dims[2];
      return [key, new FeatureMap(window, cell, dims[1], /** @type {Float32Array} */ (data))];
    });
    return Object.fromEntries(maps);
  }

  /**
   * Search for the codes of a level's stages that jointly quantize vectors e, for least
   * ‖e − Σ c‖² + Σ b.
   * @param {number} level
   * @param {Float32Array} vectors [n, D]
   * @param {Float32Array} biases [stages, K], λ·bits of each code
   * @param {number} width partial sums that are kept
   * @returns {Promise<BigInt64Array>} [n, stages]
   */
  async search(level, vectors, biases, width) {
    const { dim, stages } = this.model.levels[level];
    const session = await this.#session(`search_${level}`);
    const count = vectors.length / dim;
    const rows = Math.floor(ROWS / width);
    const given = {
      biases: new ort.Tensor("float32", biases, [stages, biases.length / stages]),
      width: new ort.Tensor("int64", BigInt64Array.of(BigInt(width)), [1]),
    };
    const found = new BigInt64Array(count * stages);
    for (let first = 0; first < count; first += rows) {
      const some = vectors.subarray(first * dim, (first + rows) * dim);
      const tensor = new ort.Tensor("float32", some, [some.length / dim, dim]);
      const { codes } = await session.run({ vectors: tensor, ...given });
      found.set(/** @type {BigInt64Array} */ (codes.data), first * stages);
    }
    return found;
  }

  /** @param {string} name */
  #session(name) {
    const session = this.#sessions.get(name) ?? this.#load(name);
    this.#sessions.set(name, session);
    return session;
  }

  /** @param {string} name */
  async #load(name) {
    const graph = await this.model.readFile(`graphs/${name}.onnx`);
    const text = new TextDecoder("latin1").decode(graph);
    const files = Array.from(this.model.weights).filter(([path]) => text.includes(path));
    const externalData = files.map(([path, data]) => ({ path, data }));
    return ort.InferenceSession.create(graph, { externalData, logSeverityLevel: 4 });
  }
}

/** @param {ort.Tensor | FeatureMap | undefined} value */
function tensorOf(value) {
  if (!(value instanceof FeatureMap)) return value; // onnxruntime says which input lacks
  const { values, channels, rows, columns } = value;
  return new ort.Tensor("float32", values, [1, channels, rows, columns]);
}
