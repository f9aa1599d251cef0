/** The wasm of `bitstream/native`, and the memory that it works in. */

import { CodecError } from "./errors.js";

/** @typedef {import("./entropy.js").Tables} Tables */

const PAGE = 2 ** 16;
const ALIGNED = 16;

/** The functions of `entropy.h`, and the memory that they work in: taken from the end, given back. */
export class Native {
  /** Addresses of frequencies. @type {Map<Tables, number>} */
  frequencies = new Map();

  /** @param {Record<string, any>} exports */
  constructor(exports) {
    this.c = exports;
    this.top = exports.__heap_base.value;
  }

  /**
   * Take memory, all zeros; its address.
   * @param {number} bytes
   */
  take(bytes) {
    const start = Math.ceil(this.top / ALIGNED) * ALIGNED;
    const lacking = start + bytes - this.c.memory.buffer.byteLength;
    if (lacking > 0) this.#grow(Math.ceil(lacking / PAGE));
    this.top = start + bytes;
    new Uint8Array(this.c.memory.buffer, start, bytes).fill(0);
    return start;
  }

  /** @param {number} pages */
  #grow(pages) {
    try {
      this.c.memory.grow(pages);
    } catch {
      throw new CodecError("the image takes more memory than this browser gives");
    }
  }

  /**
   * Take memory for integers of 32 bits.
   * @param {ArrayLike<number>} values
   */
  put(values) {
    const at = this.take(4 * values.length);
    this.integers(at, values.length).set(values);
    return at;
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  integers(at, count) {
    return new Int32Array(this.c.memory.buffer, at, count);
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  bytes(at, count) {
    return new Uint8Array(this.c.memory.buffer, at, count);
  }

  /** @param {number} at */
  number(at) {
    return new DataView(this.c.memory.buffer, at, 8);
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
