/** The prior: which table codes which symbol (FORMAT.md 6), read from its safetensors file. */

import { ContextPrior } from "./context.js";
import { Tables } from "./entropy.js";
import { CodecError } from "./errors.js";
import { readSafetensors } from "./safetensors.js";
import { PriorState } from "./state.js";

/** @typedef {import("./safetensors.js").Tensor} Tensor */
/** @typedef {import("./state.js").Code} Code */
/** @typedef {import("./state.js").Prior} Prior */

const QUALITIES = 101;
const MAX_STAGES = 64;
const MAX_PRIOR_BYTES = 2 ** 28;
const MAX_ROWS = 2 ** 16; // tables, and symbols of a table

/**
 * Read a prior of any kind, and check it.
 * @param {Uint8Array} data the file's bytes
 * @param {string} [name] of the file, for errors
 * @returns {Prior}
 */
export function loadPrior(data, name = "the prior") {
  if (data.length > MAX_PRIOR_BYTES) {
    throw new CodecError(`${name} has ${data.length} bytes, a prior has at most ${MAX_PRIOR_BYTES}`);
  }
  const { tensors, metadata } = readSafetensors(data, name);
  const { kind } = metadata;
  const Kind = { context: ContextPrior, static: StaticPrior }[kind];
  if (!Kind) {
    throw new CodecError(
      `${name} holds a prior of kind '${kind}'; known are ['context', 'static']`,
    );
  }
  try {
    return new Kind(new PriorTensors(tensors));
  } catch (error) {
    const reason = /** @type {Error} */ (error).message;
    throw new CodecError(`${name} is not a valid ${kind} prior: ${reason}`);
  }
}

/** A prior's tensors; every one that is taken is checked to be what the format says. */
export class PriorTensors {
  /** @param {Map<string, Tensor>} tensors */
  constructor(tensors) {
    this.tensors = tensors;
    const { shape, values } = this.typed("cells", "I32", 1);
    if (shape[0] < 1 || shape[0] > MAX_STAGES || Math.min(...values) < 1) {
      throw new RangeError(`expected 1..${MAX_STAGES} cells of 1 pixel or more`);
    }
    /** @type {number[]} */
    this.cells = Array.from(values);
  }

  /**
   * A tensor of a type and a number of dimensions.
   * @param {string} name
   * @param {string} dtype
   * @param {number} dimensions
   */
  typed(name, dtype, dimensions) {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new TypeError(`${name} is missing`);
    if (tensor.dtype !== dtype || tensor.shape.length !== dimensions) {
      throw new TypeError(
        `${name} is ${tensor.dtype} [${tensor.shape}], expected ${dtype} in ${dimensions} dimensions`,
      );
    }
    return tensor;
  }

  /**
   * The values of an int32 tensor of one shape.
   * @param {string} name
   * @param {number[]} expected
   * @returns {Int32Array}
   */
  integers(name, expected) {
    const { shape, values } = this.typed(name, "I32", expected.length);
    if (shape.some((side, axis) => side !== expected[axis])) {
      throw new RangeError(`${name} has shape [${shape}], expected [${expected}]`);
    }
    return /** @type {Int32Array} */ (values);
  }

  /**
   * The frequency tables of a stage.
   * @param {number} stage
   */
  tables(stage) {
    const { shape, values } = this.typed(`tables.${stage}`, "U32", 2);
    const [rows, symbols] = shape;
    if (rows < 1 || rows > MAX_ROWS || symbols < 2 || symbols > MAX_ROWS) {
      throw new RangeError(`expected 1..2**16 tables of 2..2**16 symbols, got [${shape}]`);
    }
    return new Tables(/** @type {Uint32Array} */ (values), symbols);
  }
}

/**
 * One table for each stage and bucket of qualities, whatever the neighbours are (FORMAT.md 6.1).
 * @implements {Prior}
 */
export class StaticPrior {
  /** @param {PriorTensors} tensors */
  constructor(tensors) {
    this.cells = tensors.cells;
    this.tables = this.cells.map((_, stage) => tensors.tables(stage));
    this.bucket = tensors.integers("bucket", [QUALITIES]);
    if (this.bucket.some((bucket) => this.tables.some(({ count }) => bucket < 0 || bucket >= count))) {
      throw new RangeError("a quality has a bucket which has no tables");
    }
  }

  /** @type {Prior["begin"]} */
  begin(height, width, quality) {
    return new StaticState(this, height, width, quality);
  }
}

class StaticState extends PriorState {
  /**
   * @param {StaticPrior} prior
   * @param {number} height
   * @param {number} width
   * @param {number} quality
   */
  constructor(prior, height, width, quality) {
    super(prior.cells, height, width, quality);
    this.prior = prior;
  }

  /**
   * @param {number} stage
   * @param {Code} code
   * @param {Uint16Array | null} known
   */
  codeStage(stage, code, known) {
    const { rows, columns } = this.shapes[stage];
    const tableIds = new Uint16Array(rows * columns).fill(this.prior.bucket[this.quality]);
    return code(tableIds, this.prior.tables[stage], known);
  }
}
