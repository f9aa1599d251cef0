/** The arithmetic of the networks: `wasm/networks.c`, and the maps in its memory. */

import { CodecError } from "./errors.js";
import { FeatureMap } from "./maps.js";
import { Memory } from "./memory.js";

/** @typedef {{ at: number, rows: number, columns: number, channels: number }} Place floats in the memory */

export class Kernel extends Memory {
  /** @param {Uint8Array} wasm */
  static async load(wasm) {
    try {
      const { instance } = await WebAssembly.instantiate(/** @type {BufferSource} */ (wasm));
      return new Kernel(instance.exports);
    } catch (error) {
      throw new CodecError(`this browser cannot run the networks: ${/** @type {Error} */ (error).message}`);
    }
  }

  /**
   * Take memory for a map, whatever it holds.
   * @param {number} rows
   * @param {number} columns
   * @param {number} channels
   * @returns {Place}
   */
  place(rows, columns, channels) {
    return { at: this.reserve(4 * rows * columns * channels), rows, columns, channels };
  }

  /**
   * Take memory for floats; their address.
   * @param {ArrayLike<number>} values
   */
  put(values) {
    const at = this.reserve(4 * values.length);
    this.floats(at, values.length).set(values);
    return at;
  }

  /**
   * A copy of a map in the memory.
   * @param {FeatureMap} map
   * @returns {Place}
   */
  enter({ values, rows, columns, channels }) {
    return { at: this.put(values), rows, columns, channels };
  }

  /**
   * A copy of a map that is in the memory.
   * @param {Place} place
   * @param {import("./maps.js").Window} window that it is of
   */
  leave({ at, rows, columns, channels }, window) {
    const values = this.floats(at, rows * columns * channels).slice();
    return new FeatureMap(window, window.height / rows, channels, values);
  }

  /**
   * Give back what some work takes of the memory, once it is done.
   * @template T
   * @param {() => T} work
   */
  aside(work) {
    const before = this.top;
    const result = work();
    this.top = before;
    return result;
  }
}
