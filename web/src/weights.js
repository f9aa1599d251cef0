/** The weights of a model, by the names that they have in its files. */

import { CodecError } from "./errors.js";

/** @typedef {import("./kernel.js").Kernel} Kernel */
/** @typedef {import("./safetensors.js").Tensor} Tensor */

/** Tensors by name, as float32. */
export class Weights {
  /**
   * @param {Kernel} kernel
   * @param {Map<string, Tensor>} tensors
   */
  constructor(kernel, tensors) {
    this.kernel = kernel;
    this.tensors = tensors;
  }

  /**
   * @param {string} name
   * @returns {Float32Array}
   */
  get(name) {
    const { dtype, values } = this.#tensor(name);
    if (dtype === "F32") return /** @type {Float32Array} */ (values);
    if (dtype !== "F16") {
      throw new CodecError(`the model's weights ${name} are ${dtype}, expected F16 or F32`);
    }
    const { kernel } = this;
    return kernel.aside(() => {
      const [halves, out] = [kernel.reserve(2 * values.length), kernel.reserve(4 * values.length)];
      kernel.bytes(halves, 2 * values.length).set(new Uint8Array(values.buffer));
      kernel.c.bibc_widen(values.length, halves, out);
      return kernel.floats(out, values.length).slice();
    });
  }

  /**
   * How many rows a matrix has.
   * @param {string} name
   */
  rows(name) {
    return this.#tensor(name).shape[0];
  }

  /** @param {string} name */
  has(name) {
    return this.tensors.has(name);
  }

  /** @param {string} name */
  #tensor(name) {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new CodecError(`the model's weights lack ${name}`);
    return tensor;
  }
}
