/**
 * The entropy decoder: rANS with a 64-bit state and 24-bit frequencies (FORMAT.md 4.1 and 4.2).
 *
 * A double holds 53 bits. So the state is kept as high · 2²⁴ + low with low < 2²⁴ and high < 2⁴⁰, and
 * high is multiplied in halves of 20 bits: all products stay below 2⁴⁵, and no BigInt is needed.
 */

import { Checksum, Truncated } from "./errors.js";

export const PRECISION = 24;
export const TOTAL = 2 ** PRECISION;
const HALF = 2 ** 20;
const LEAST_SEAL = 2 ** 31;
const WORD = 2 ** 32;

/** Frequency tables over the same symbols, as running sums. */
export class Tables {
  /**
   * @param {Uint32Array} frequencies row after row, of integers >= 1 that sum to 2²⁴
   * @param {number} symbols K, the length of a row, 2 or more
   */
  constructor(frequencies, symbols) {
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
      throw new Checksum("the image data begins with a zero word: the file is damaged");
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
  read(tableIds, tables) {
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
    if (this.#empty && this.#state < LEAST_SEAL) throw new Truncated("the image data ran out");
  }

  #refill() {
    if (this.#state >= WORD || this.#empty) return;
    const word = this.#words.getUint32(this.#at);
    this.#at += 4;
    this.#high = this.#state * 2 ** 8 + (word >>> PRECISION);
    this.#low = word % TOTAL;
  }
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
