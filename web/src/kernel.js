/** The arithmetic of the networks: `wasm/networks.c`, and the maps in its memory. */

import { CodecError } from "./errors.js";
import { FeatureMap } from "./maps.js";
import { Memory } from "./memory.js";
import { Pair } from "./pair.js";

/** @typedef {{ at: number, rows: number, columns: number, channels: number }} Place floats in the memory */

const PAGES = { initial: 16, maximum: 2 ** 15 }; // of a memory that two threads share: compile.js has the most

export class Kernel extends Memory {
  /** @type {Pair | null} */
  #pair = null;

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
   * One whose work two threads share: the same results.
   * @param {Uint8Array} wasm networks-shared.wasm
   * @param {(help: import("./pair.js").Help) => void} start calls `help` of pair.js in another thread
   */
  static async shared(wasm, start) {
    const memory = new WebAssembly.Memory({ ...PAGES, shared: true });
    const imports = { env: { memory } };
    const { module, instance } = await WebAssembly.instantiate(/** @type {BufferSource} */ (wasm), imports);
    const kernel = new Kernel(instance.exports, memory);
    kernel.#pair = new Pair(kernel, module, start);
    return kernel;
  }

  /** How many threads work. */
  get threads() {
    return this.#pair ? 2 : 1;
  }

  /** Whether the other thread took part in what ran last. */
  get helped() {
    return this.#pair?.helped ?? false;
  }

  /**
   * Run a function on all of its units: rows of a map, or a convolution's tiles.
   * @param {"bibc_multiply" | "bibc_convolve"} name
   * @param {(thread: number) => number[]} given arguments of a thread, but for the units
   * @param {number} count of units
   * @param {number} [unit] how many are best done at once
   */
  run(name, given, count, unit = 1) {
    if (this.#pair && count > unit) this.#pair.run(name, given, count, unit);
    else this.c[name](...given(0), 0, count);
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
