/**
 * The context prior in the C of `bitstream/native`, compiled to wasm: the tables of `context.js`,
 * sooner. It reads one image at a time.
 */

import { CodecError } from "./errors.js";
import { gridShape } from "./prior.js";

/** @typedef {import("./context.js").ContextPrior} ContextPrior */
/** @typedef {import("./prior.js").Prior} Prior */
/** @typedef {import("./entropy.js").Tables} Tables */
/** @typedef {{ packed: number, level: number, tables: Tables }} PackedStage */

const PAGE = 2 ** 16;
const ALIGNED = 16;

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

/** The functions of `entropy.h`, and the memory that they work in: taken from the end, given back. */
class Native {
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
}

/**
 * @param {ContextPrior} prior
 * @param {Native} native
 * @returns {Prior | null}
 */
function pack(prior, native) {
  const most = native.take(8 * prior.levels.length);
  const cells = native.put(prior.levels);
  /** @type {PackedStage[]} */
  const stages = [];
  for (const context of prior.stages) {
    const { level, side, dim, tables, features, own, coarse, place, quality, centres } = context;
    const sizes = [tables.symbols, prior.length, dim, tables.count, level, side, prior.shift];
    const about = native.put(sizes);
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
      const { levels, length } = prior;
      const size = [levels.length, cells, BigInt(height), BigInt(width), length];
      const image = native.take(native.c.bibc_image_size(...size));
      native.c.bibc_image_begin(...size, image);
      const shapes = levels.map((cell) => gridShape(height, width, cell));
      return { readStage: (stage, read) => readStage(native, image, quality, stages[stage], shapes, read) };
    },
  };
}

/**
 * Read a stage in its two passes.
 * @param {Native} native
 * @param {number} image address
 * @param {number} quality
 * @param {PackedStage} stage
 * @param {import("./prior.js").Shape[]} shapes of the levels' grids
 * @param {import("./prior.js").Read} read
 */
function readStage(native, image, quality, { packed, level, tables }, shapes, read) {
  const { rows, columns } = shapes[level];
  const count = rows * columns;
  const before = native.top;
  const grid = native.take(4 * count);
  const pass = native.take(4 * Math.ceil(count / 2));
  const scratch = native.take(native.c.bibc_tables_scratch(packed, image));
  for (const colour of [0, 1]) {
    native.c.bibc_tables(packed, image, quality, colour, grid, pass, scratch);
    const here = native.integers(pass, (count + 1 - colour) >> 1);
    here.set(read(Uint16Array.from(here), tables));
    native.c.bibc_put(BigInt(rows), BigInt(columns), colour, pass, grid);
  }
  native.c.bibc_add(packed, grid, image);
  native.top = before;
  return Uint16Array.from(native.integers(grid, count));
}
