/**
 * The entropy coder: rANS with a 64-bit state and 24-bit frequencies (FORMAT.md 4.1 and 4.2).
 *
 * A double holds 53 bits. So the state is kept as high · 2²⁴ + low with low < 2²⁴ and high < 2⁴⁰. To
 * read, high is multiplied in halves of 20 bits: all products stay below 2⁴⁵. To write, it is divided
 * before low is: all dividends stay below 2⁴⁸. No BigInt is needed.
 */

import { Checksum, Truncated } from "./errors.js";

const PRECISION = 24;
const TOTAL = 2 ** PRECISION;
const HALF = 2 ** 20;
const WORD = 2 ** 32;
export const LEAST_SEAL = 2 ** 31;
export const ZERO_WORD = "the image data begins with a zero word: the file is damaged";
export const RAN_OUT = "the image data ran out";

/** Frequency tables over the same symbols, as running sums. */
export class Tables {
  /**
   * @param {Uint32Array} frequencies row after row, of integers >= 1 that sum to 2²⁴
   * @param {number} symbols K, the length of a row, 2 or more
   */
  constructor(frequencies, symbols) {
    this.frequencies = frequencies;
    this.symbols = symbols;
    this.count = frequencies.length / symbols;
    /** For each table the sums of its first 1, 2, ... K frequencies. */
    this.ends = new Uint32Array(frequencies.length);
    for (let table = 0; table < this.count; table++) {
      let sum = 0;
      for (let i = table * symbols; i < (table + 1) * symbols; i++) {
        const frequency = frequencies[i];
        if (frequency < 1 || frequency >= TOTAL) {
          throw new RangeError("a frequency lies outside 1..2**24 - 1");
        }
        this.ends[i] = sum += frequency;
      }
      if (sum !== TOTAL) throw new RangeError(`table ${table} sums to ${sum}, expected 2**24`);
    }
  }
}

/** The table of a check between stages: 2 bits of the running CRC32. */
export const CHECK = new Tables(new Uint32Array(4).fill(TOTAL / 4), 4);

/** Reads symbols from the words of a payload, or from the first of them. */
export class Decoder {
  #words;
  #at = 0; // bytes taken
  #high = 0;
  #low = 0;

  /** @param {Uint8Array} data 32-bit big-endian words, one or more */
  constructor(data) {
    this.#words = new DataView(data.buffer, data.byteOffset, data.length);
    this.#refill();
    if (!this.#high && !this.#low) {
      throw new Checksum(ZERO_WORD);
    }
    this.#refill();
  }

  get #state() {
    return this.#high * TOTAL + this.#low; // exact below 2⁵³
  }

  get #empty() {
    return this.#at === this.#words.byteLength;
  }

  /**
   * Read one pass: its symbols stand sorted by table, those of equal tables in the pass's order.
   * @param {Uint16Array} tableIds the table of each symbol
   * @param {Tables} tables
   * @returns {Uint16Array} the symbols
   */
  code(tableIds, tables) {
    const symbols = new Uint16Array(tableIds.length);
    for (const position of sorted(tableIds, tables.count)) {
      symbols[position] = this.#symbol(tables, tableIds[position]);
    }
    return symbols;
  }

  /** Bytes taken from the words. */
  get position() {
    return this.#at;
  }

  /** Whether more is left than any seal. */
  hasMore() {
    return this.#state >= WORD;
  }

  /**
   * Whether all that is left is this seal.
   * @param {number} seal
   */
  endsWith(seal) {
    return this.#empty && this.#state === seal;
  }

  /**
   * @param {Tables} tables
   * @param {number} table
   */
  #symbol({ ends, symbols }, table) {
    const first = table * symbols;
    let least = first;
    let most = first + symbols - 1;
    while (least < most) {
      const middle = (least + most) >>> 1;
      if (ends[middle] > this.#low) most = middle;
      else least = middle + 1;
    }
    const start = least > first ? ends[least - 1] : 0;
    this.#pop(ends[least] - start, start);
    return least - first;
  }

  /**
   * state = (state / 2²⁴) · frequency + state mod 2²⁴ − start, then refill.
   * @param {number} frequency
   * @param {number} start
   */
  #pop(frequency, start) {
    const upper = Math.floor(this.#high / HALF) * frequency; // · 2²⁰
    const lower = (this.#high % HALF) * frequency + (this.#low - start) + (upper % 16) * HALF;
    this.#high = Math.floor(upper / 16) + Math.floor(lower / TOTAL);
    this.#low = lower % TOTAL;
    this.#refill();
    if (this.#empty && this.#state < LEAST_SEAL) throw new Truncated(RAN_OUT);
  }

  #refill() {
    if (this.#state >= WORD || this.#empty) return;
    const word = this.#words.getUint32(this.#at);
    this.#at += 4;
    this.#high = this.#state * 2 ** 8 + (word >>> PRECISION);
    this.#low = word % TOTAL;
  }
}

/** Writes symbols; the passes are recorded, because the last one is coded first. */
export class Encoder {
  /** @type {{ tableIds: Uint16Array, tables: Tables, symbols: Uint16Array }[]} */
  #passes = [];

  /**
   * Record one pass.
   * @type {import("./state.js").Code}
   */
  code(tableIds, tables, symbols) {
    if (!symbols) throw new RangeError("the encoder needs symbols");
    this.#passes.push({ tableIds, tables, symbols });
    return symbols;
  }

  /**
   * Code everything that was recorded onto a seal.
   * @param {number} seal 2³¹..2³² − 1
   * @returns {Uint8Array} 32-bit big-endian words
   */
  finish(seal) {
    let [high, low] = [Math.floor(seal / TOTAL), seal % TOTAL];
    /** @type {number[]} */
    const words = []; // the last one first
    for (const { tableIds, tables, symbols } of this.#passes.reverse()) {
      const { ends, frequencies } = tables;
      for (const position of sorted(tableIds, tables.count).reverse()) {
        const at = tableIds[position] * tables.symbols + symbols[position];
        const frequency = frequencies[at];
        if (Math.floor(high / 2 ** 16) >= frequency) {
          words.push((high % 2 ** 8) * TOTAL + low);
          high = Math.floor(high / 2 ** 8);
          [high, low] = [Math.floor(high / TOTAL), high % TOTAL];
        }
        const below = (high % frequency) * TOTAL + low;
        high = Math.floor(high / frequency) * TOTAL + Math.floor(below / frequency);
        low = ends[at] - frequency + (below % frequency);
      }
    }
    words.push((high % 2 ** 8) * TOTAL + low);
    if (high >= 2 ** 8) words.push(Math.floor(high / 2 ** 8));
    return bigEndian(words.reverse());
  }
}

/** @param {number[]} words */
function bigEndian(words) {
  const view = new DataView(new ArrayBuffer(4 * words.length));
  words.forEach((word, n) => view.setUint32(4 * n, word));
  return new Uint8Array(view.buffer);
}

/**
 * The positions of a pass in the order in which it is coded: by table, else as they stand.
 * @param {Uint16Array} tableIds
 * @param {number} tables how many there are
 */
function sorted(tableIds, tables) {
  const next = new Uint32Array(tables + 1);
  for (const table of tableIds) next[table + 1]++;
  for (let table = 1; table <= tables; table++) next[table] += next[table - 1];
  const order = new Uint32Array(tableIds.length);
  tableIds.forEach((table, position) => (order[next[table]++] = position));
  return order;
}
