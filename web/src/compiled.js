/**
 * The context prior and the entropy coder in the C of `bitstream/native`, compiled to wasm: what
 * `context.js` and `entropy.js` do, sooner. One image at a time.
 */

import { joined } from "./bytes.js";
import { CHECK, RAN_OUT, ZERO_WORD } from "./entropy.js";
import { Checksum, Truncated } from "./errors.js";
import { Native } from "./native.js";
import { PriorState } from "./state.js";

/** @typedef {import("./context.js").ContextPrior} ContextPrior */
/** @typedef {import("./state.js").Code} Code */
/** @typedef {import("./state.js").Prior} Prior */
/** @typedef {import("./entropy.js").Tables} Tables */
/** @typedef {{ packed: number, level: number, tables: Tables }} PackedStage packed: its address */

const WORD = 2n ** 32n;

/**
 * A prior by wasm; the prior itself if its numbers leave 16 bits or this browser lacks what it takes.
 * @param {ContextPrior} prior
 * @param {Uint8Array} wasm
 * @returns {Promise<Prior>}
 */
export async function compiled(prior, wasm) {
  try {
    const { instance } = await WebAssembly.instantiate(/** @type {BufferSource} */ (wasm));
    return pack(prior, new Native(instance.exports)) ?? prior;
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return prior;
    throw error;
  }
}

/**
 * @param {ContextPrior} prior
 * @param {Native} native
 * @returns {Prior | null}
 */
function pack(prior, native) {
  const most = native.take(8 * prior.levels.length);
  const cells = native.put(prior.levels);
  native.frequencies.set(CHECK, native.put(CHECK.frequencies));
  /** @type {PackedStage[]} */
  const stages = [];
  for (const context of prior.stages) {
    const { level, side, dim, tables, features, own, coarse, place, quality, centres } = context;
    const sizes = [tables.symbols, prior.length, dim, tables.count, level, side, prior.shift];
    const about = native.put(sizes);
    native.frequencies.set(tables, native.put(tables.frequencies));
    const packed = native.take(native.c.bibc_stage_size(about));
    const after = native.top;
    const arrays = [features, own, coarse, place, quality, centres].map((a) => native.put(a));
    if (!native.c.bibc_stage_pack(about, ...arrays, most, packed)) return null;
    native.top = after;
    stages.push({ packed, level, tables });
  }
  const bottom = native.top;
  return {
    cells: prior.cells,
    begin(height, width, quality) {
      native.top = bottom; // what the image before took
      const size = [prior.levels.length, cells, BigInt(height), BigInt(width), prior.length];
      const image = native.take(native.c.bibc_image_size(...size));
      native.c.bibc_image_begin(...size, image);
      return new CompiledState(native, stages, image, prior.levels, height, width, quality);
    },
  };
}

/** Does what `ContextState` of `context.js` does. */
class CompiledState extends PriorState {
  /** @type {Native} */
  #native;
  /** @type {PackedStage[]} */
  #stages;
  /** @type {number} */
  #image;

  /**
   * @param {Native} native
   * @param {PackedStage[]} stages
   * @param {number} image address
   * @param {number[]} cells of the levels
   * @param {number} height
   * @param {number} width
   * @param {number} quality
   */
  constructor(native, stages, image, cells, height, width, quality) {
    super(cells, height, width, quality);
    [this.#native, this.#stages, this.#image] = [native, stages, image];
  }

  /**
   * @param {number} stage
   * @param {Code} code
   * @param {Uint16Array | null} known
   */
  codeStage(stage, code, known) {
    const [native, image] = [this.#native, this.#image];
    const { packed, level, tables } = this.#stages[stage];
    const { rows, columns } = this.shapes[level];
    const sides = [BigInt(rows), BigInt(columns)];
    const count = rows * columns;
    const before = native.top;
    const grid = native.take(4 * count);
    const given = known && native.put(known);
    const pass = native.take(4 * Math.ceil(count / 2));
    const scratch = native.take(native.c.bibc_tables_scratch(packed, image));
    for (const colour of [0, 1]) {
      const here = (/** @type {number} */ at) => native.integers(at, (count + 1 - colour) >> 1);
      native.c.bibc_tables(packed, image, this.quality, colour, grid, pass, scratch);
      const tableIds = new Uint16Array(here(pass));
      if (given !== null) native.c.bibc_take(...sides, colour, given, pass);
      const symbols = code(tableIds, tables, given === null ? null : new Uint16Array(here(pass)));
      here(pass).set(symbols);
      native.c.bibc_put(...sides, colour, pass, grid);
    }
    native.c.bibc_add(packed, grid, image);
    native.top = before;
    return new Uint16Array(native.integers(grid, count));
  }

  /** @param {Uint8Array} data */
  decoder(data) {
    return new CompiledDecoder(this.#native, data);
  }

  encoder() {
    return new CompiledEncoder(this.#native);
  }
}

/** Does what `Decoder` of `entropy.js` does. */
class CompiledDecoder {
  #native;
  #size;
  #data;
  /** @type {number} */
  #at;
  /** @type {number} */
  #state;

  /**
   * @param {Native} native
   * @param {Uint8Array} data
   */
  constructor(native, data) {
    if (data.subarray(0, 4).every((byte) => !byte)) throw new Checksum(ZERO_WORD);
    this.#native = native;
    this.#size = data.length;
    this.#data = native.take(data.length);
    native.bytes(this.#data, data.length).set(data);
    [this.#at, this.#state] = [native.take(8), native.take(8)];
    const words = new DataView(data.buffer, data.byteOffset);
    const first = data.length < 8 ? BigInt(words.getUint32(0)) : words.getBigUint64(0);
    native.number(this.#at).setUint32(0, Math.min(data.length, 8), true);
    native.number(this.#state).setBigUint64(0, first, true);
  }

  /**
   * @param {Uint16Array} tableIds
   * @param {Tables} tables
   */
  code(tableIds, tables) {
    const native = this.#native;
    const before = native.top;
    const { about, scratch } = native.pass(tableIds, tables);
    const found = native.take(4 * tableIds.length);
    const input = [this.#data, BigInt(this.#size), this.#at, this.#state];
    const whole = native.c.bibc_read(...input, ...about, found, scratch);
    const symbols = new Uint16Array(native.integers(found, tableIds.length));
    native.top = before;
    if (!whole) throw new Truncated(RAN_OUT);
    return symbols;
  }

  get position() {
    return this.#native.number(this.#at).getUint32(0, true);
  }

  get #left() {
    return this.#native.number(this.#state).getBigUint64(0, true);
  }

  hasMore() {
    return this.#left >= WORD;
  }

  /** @param {number} seal */
  endsWith(seal) {
    return this.position === this.#size && this.#left === BigInt(seal);
  }
}

/** Does what `Encoder` of `entropy.js` does. */
class CompiledEncoder {
  #native;
  /** @type {{ tableIds: Uint16Array, tables: Tables, symbols: Uint16Array }[]} */
  #passes = [];

  /** @param {Native} native */
  constructor(native) {
    this.#native = native;
  }

  /** @type {Code} */
  code(tableIds, tables, symbols) {
    if (!symbols) throw new RangeError("the encoder needs symbols");
    this.#passes.push({ tableIds, tables, symbols });
    return symbols;
  }

  /** @param {number} seal */
  finish(seal) {
    const native = this.#native;
    const before = native.top;
    const state = native.take(8);
    native.number(state).setBigUint64(0, BigInt(seal), true);
    /** @type {Uint8Array[]} */
    const parts = []; // the last one first
    for (const { tableIds, tables, symbols } of this.#passes.reverse()) {
      const start = native.top;
      const { about, scratch } = native.pass(tableIds, tables);
      const size = 4 * tableIds.length;
      const [written, out] = [native.put(symbols), native.take(size)];
      const length = Number(native.c.bibc_write(state, ...about, written, out, scratch));
      parts.push(native.bytes(out + size - length, length).slice());
      native.top = start;
    }
    const last = native.number(state).getBigUint64(0, true);
    const first = new DataView(new ArrayBuffer(8));
    first.setBigUint64(0, last);
    parts.push(new Uint8Array(first.buffer, last < WORD ? 4 : 0));
    native.top = before;
    return joined(...parts.reverse());
  }
}
