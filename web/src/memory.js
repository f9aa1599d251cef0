/** The memory of a wasm instance: taken from the end, given back by setting `top`. */

import { CodecError } from "./errors.js";

const PAGE = 2 ** 16;
const ALIGNED = 16;

export class Memory {
  /**
   * @param {Record<string, any>} exports of the instance
   * @param {WebAssembly.Memory} [memory] its memory, if it was given one
   */
  constructor(exports, memory = exports.memory) {
    this.c = exports;
    /** @type {WebAssembly.Memory} */
    this.memory = memory;
    this.top = exports.__heap_base.value;
  }

  /**
   * Take memory, whatever it holds; its address.
   * @param {number} bytes
   */
  reserve(bytes) {
    const start = Math.ceil(this.top / ALIGNED) * ALIGNED;
    const lacking = start + bytes - this.memory.buffer.byteLength;
    if (lacking > 0) this.#grow(Math.ceil(lacking / PAGE));
    this.top = start + bytes;
    return start;
  }

  /**
   * Take memory, all zeros; its address.
   * @param {number} bytes
   */
  take(bytes) {
    const start = this.reserve(bytes);
    new Uint8Array(this.memory.buffer, start, bytes).fill(0);
    return start;
  }

  /** @param {number} pages */
  #grow(pages) {
    try {
      this.memory.grow(pages);
    } catch {
      throw new CodecError("the image takes more memory than this browser gives");
    }
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  bytes(at, count) {
    return new Uint8Array(this.memory.buffer, at, count);
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  integers(at, count) {
    return new Int32Array(this.memory.buffer, at, count);
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  floats(at, count) {
    return new Float32Array(this.memory.buffer, at, count);
  }
}
