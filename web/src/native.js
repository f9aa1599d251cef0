/** The wasm of `bitstream/native`, and the memory that it works in. */

import { Memory } from "./memory.js";

/** @typedef {import("./entropy.js").Tables} Tables */

/** The functions of `entropy.h`. */
export class Native extends Memory {
  /** Addresses of frequencies. @type {Map<Tables, number>} */
  frequencies = new Map();

  /**
   * Take memory for integers of 32 bits.
   * @param {ArrayLike<number>} values
   */
  put(values) {
    const at = this.reserve(4 * values.length);
    this.integers(at, values.length).set(values);
    return at;
  }

  /** @param {number} at */
  number(at) {
    return new DataView(this.memory.buffer, at, 8);
  }

  /**
   * What the coder's functions are told of a pass; the caller gives the memory back.
   * @param {Uint16Array} tableIds
   * @param {Tables} tables
   */
  pass(tableIds, tables) {
    const count = BigInt(tableIds.length);
    const scratch = this.take(this.c.bibc_coder_scratch(count, tables.count, tables.symbols));
    const about = [count, this.put(tableIds), tables.count, tables.symbols, this.frequencies.get(tables)];
    return { about, scratch };
  }
}
