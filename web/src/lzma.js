/**
 * Raw LZMA with lc = lp = pb = 0 and an end marker, as an `Alpl` chunk holds it (FORMAT.md 3), after
 * Igor Pavlov's specification of LZMA.
 */

const STATES = 12;
const HALF = 1024; // a probability of 1/2, of 2048
const LEAST_RANGE = 2 ** 24;
const END = 2 ** 32 - 1; // the distance that marks the end

/** The data breaks the format. */
export class LzmaError extends Error {}

/** What was coded, bit by bit, with adaptive probabilities. */
class RangeDecoder {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.at = 1;
    this.range = END;
    this.code = 0;
    if (data[0] !== 0) throw new LzmaError("it does not begin with a zero byte");
    for (let i = 0; i < 4; i++) this.code = ((this.code << 8) | this.#byte()) >>> 0;
  }

  #byte() {
    if (this.at >= this.data.length) throw new RangeError("the data ends too early");
    return this.data[this.at++];
  }

  #normalize() {
    if (this.range >= LEAST_RANGE) return;
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.#byte()) >>> 0;
  }

  /**
   * @param {Uint16Array} probabilities
   * @param {number} i
   */
  bit(probabilities, i) {
    const bound = (this.range >>> 11) * probabilities[i];
    const bit = this.code < bound ? 0 : 1;
    if (bit) {
      this.range -= bound;
      this.code -= bound;
      probabilities[i] -= probabilities[i] >> 5;
    } else {
      this.range = bound;
      probabilities[i] += (2048 - probabilities[i]) >> 5;
    }
    this.#normalize();
    return bit;
  }

  /**
   * Bits of equal probability.
   * @param {number} count
   */
  direct(count) {
    let value = 0;
    for (; count; count--) {
      this.range >>>= 1;
      const bit = this.code < this.range ? 0 : 1;
      if (bit) this.code -= this.range;
      value = value * 2 + bit;
      this.#normalize();
    }
    return value;
  }

  /**
   * A number of `count` bits, the highest first.
   * @param {Uint16Array} probabilities
   * @param {number} count
   */
  tree(probabilities, count) {
    let node = 1;
    for (let i = 0; i < count; i++) node = node * 2 + this.bit(probabilities, node);
    return node - 2 ** count;
  }

  /**
   * A number of `count` bits, the lowest first.
   * @param {Uint16Array} probabilities
   * @param {number} count
   */
  reversed(probabilities, count) {
    let [node, value] = [1, 0];
    for (let i = 0; i < count; i++) {
      const bit = this.bit(probabilities, node);
      node = node * 2 + bit;
      value += bit * 2 ** i;
    }
    return value;
  }
}

const fresh = (/** @type {number} */ count) => new Uint16Array(count).fill(HALF);

/** Lengths 2..273. */
class Lengths {
  choice = fresh(2);
  low = fresh(8);
  middle = fresh(8);
  high = fresh(256);

  /** @param {RangeDecoder} coder */
  read(coder) {
    if (!coder.bit(this.choice, 0)) return 2 + coder.tree(this.low, 3);
    if (!coder.bit(this.choice, 1)) return 10 + coder.tree(this.middle, 3);
    return 18 + coder.tree(this.high, 8);
  }
}

/** Distances back from 1; END for the end marker. */
class Distances {
  slots = Array.from({ length: 4 }, () => fresh(64));
  middle = Array.from({ length: 14 }, () => fresh(64)); // of slots 4..13
  align = fresh(16);

  /**
   * @param {RangeDecoder} coder
   * @param {number} length of the match
   */
  read(coder, length) {
    const slot = coder.tree(this.slots[Math.min(length - 2, 3)], 6);
    if (slot < 4) return slot + 1;
    const bits = (slot >> 1) - 1;
    const base = (2 + (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + coder.reversed(this.middle[slot], bits) + 1;
    const low = coder.direct(bits - 4) * 16 + coder.reversed(this.align, 4);
    return base + low === END ? END : base + low + 1;
  }
}

/**
 * Unpack exactly `size` bytes, and the end marker behind them.
 * @param {Uint8Array} data
 * @param {number} size
 * @param {number} dictionary the farthest that a match may look back
 * @returns {Uint8Array | null} null if the data is well-formed as far as it goes, but of another size
 * @throws {LzmaError} it is not well-formed
 */
export function unpackLzma(data, size, dictionary) {
  try {
    const coder = new RangeDecoder(data);
    const out = new Uint8Array(size);
    const ended = decode(coder, out, dictionary);
    if (ended && coder.code !== 0) throw new LzmaError("its end marker is damaged");
    return ended && coder.at === data.length ? out : null;
  } catch (error) {
    if (error instanceof RangeError) return null; // cut
    throw error;
  }
}

/**
 * @param {RangeDecoder} coder
 * @param {Uint8Array} out is filled
 * @param {number} dictionary
 * @returns {boolean} whether the end marker stands right behind the last byte
 */
function decode(coder, out, dictionary) {
  const [match, rep, rep0, rep1, rep2, rep0Long] = Array.from({ length: 6 }, () => fresh(STATES));
  const [lengths, repLengths] = [new Lengths(), new Lengths()];
  const distances = new Distances();
  const literals = fresh(0x300);
  let recent = [1, 1, 1, 1]; // distances
  let [state, at] = [0, 0];
  for (;;) {
    if (!coder.bit(match, state)) {
      if (at === out.length) return false;
      out[at] = literal(coder, literals, state < 7 ? -1 : out[at - recent[0]]);
      at++;
      state = state < 4 ? 0 : state - (state < 10 ? 3 : 6);
      continue;
    }
    let length = 1;
    if (!coder.bit(rep, state)) {
      length = lengths.read(coder);
      recent = [distances.read(coder, length), ...recent.slice(0, 3)];
      if (recent[0] === END) return at === out.length;
      state = state < 7 ? 7 : 10;
    } else {
      const number = !coder.bit(rep0, state) ? 0 : !coder.bit(rep1, state) ? 1 : 2 + coder.bit(rep2, state);
      const short = number === 0 && !coder.bit(rep0Long, state);
      recent = [recent[number], ...recent.filter((_, n) => n !== number)];
      if (!short) length = repLengths.read(coder);
      state = short ? (state < 7 ? 9 : 11) : state < 7 ? 8 : 11;
    }
    const from = at - recent[0];
    if (from < 0 || recent[0] > dictionary) throw new LzmaError("a match looks back too far");
    if (length > out.length - at) return false;
    for (let i = 0; i < length; i++) out[at + i] = out[from + i];
    at += length;
  }
}

/**
 * @param {RangeDecoder} coder
 * @param {Uint16Array} probabilities
 * @param {number} matched the byte that the last distance points at, after a match; else -1
 */
function literal(coder, probabilities, matched) {
  let node = 1;
  if (matched >= 0) {
    for (let bit = 7; bit >= 0 && node < 256; bit--) {
      const expected = (matched >> bit) & 1;
      const found = coder.bit(probabilities, ((1 + expected) << 8) + node);
      node = node * 2 + found;
      if (found !== expected) break;
    }
  }
  while (node < 256) node = node * 2 + coder.bit(probabilities, node);
  return node - 256;
}
