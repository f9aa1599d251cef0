/**
 * The context prior: a table for each symbol, chosen by what is decoded around it (FORMAT.md 6.2).
 *
 * Integers within 32 bits all the way, which the check of a prior promises: equal on every machine.
 */

import { PriorState } from "./state.js";

/** @typedef {import("./prior.js").PriorTensors} PriorTensors */
/** @typedef {import("./state.js").Prior} Prior */
/** @typedef {import("./state.js").Code} Code */
/** @typedef {import("./entropy.js").Tables} Tables */

const QUALITIES = 101;
const MAX_FEATURES = 64;
const MAX_CONTEXT = 42;
const CLIP = 4095;
const OWN_PARTS = 5; // own place, beside, above and below, corners; all four sides of this stage
const COARSE_PARTS = 3; // the cell around a place, its nearer neighbour beside, and above or below
const SIDES = [[0, -1], [0, 1], [-1, 0], [1, 0]];
const OWN_PLACES = [
  [[0, 0]],
  [[0, -1], [0, 1]],
  [[-1, 0], [1, 0]],
  [[-1, -1], [-1, 1], [1, -1], [1, 1]],
];

/**
 * How one stage finds its tables.
 * @typedef {object} StageContext
 * @property {number} level
 * @property {number} side cells of the stage along a cell of the first stage
 * @property {number} dim D, the length of a context vector
 * @property {Tables} tables M of them
 * @property {Int32Array} features [K, R]
 * @property {Int32Array} own [5, R, D]
 * @property {Int32Array} coarse [level, 3, R, D]
 * @property {Int32Array} place [side, side, D]
 * @property {Int32Array} quality [101, D]
 * @property {Int32Array} centres [M, D]
 * @property {Int32Array} offsets [M], the squared lengths of the centres
 */

/** @implements {Prior} */
export class ContextPrior {
  /** @param {PriorTensors} tensors */
  constructor(tensors) {
    this.cells = tensors.cells;
    /** Pixels of a cell of each level. */
    this.levels = [...new Set(this.cells)];
    this.shift = tensors.integers("shift", [1])[0];
    /** R, the length of a code's features. */
    this.length = tensors.typed("features.0", "I32", 2).shape[1];
    checkSizes(this);
    this.stages = this.cells.map((cell, stage) => readStage(tensors, this, cell, stage));
    checkSums(this.stages);
  }

  /** @type {Prior["begin"]} */
  begin(height, width, quality) {
    return new ContextState(this, height, width, quality);
  }
}

/** Codes each stage in two passes, first where row + column is even, then where it is odd. */
class ContextState extends PriorState {
  /**
   * @param {ContextPrior} prior
   * @param {number} height
   * @param {number} width
   * @param {number} quality
   */
  constructor(prior, height, width, quality) {
    super(prior.levels, height, width, quality);
    this.prior = prior;
    /** @type {Int32Array[]} for each level met: the features of its stages so far, added up */
    this.sums = [];
    this.row = new Int32Array(prior.length); // R numbers on their way into a context vector
  }

  /**
   * @param {number} stage
   * @param {Code} code
   * @param {Uint16Array | null} known
   */
  codeStage(stage, code, known) {
    const context = this.prior.stages[stage];
    const { rows, columns } = this.shapes[context.level];
    this.sums[context.level] ??= new Int32Array(rows * columns * this.prior.length);
    const grid = new Uint16Array(rows * columns);
    for (const colour of [0, 1]) {
      const tableIds = new Uint16Array((grid.length + 1 - colour) >> 1);
      const vector = new Int32Array(context.dim);
      forEachPlace(rows, columns, colour, (count, y, x) => {
        this.#sumUp(vector, context, y, x, colour ? grid : null);
        tableIds[count] = nearest(vector, context, this.prior.shift);
      });
      const symbols = code(tableIds, context.tables, known && taken(known, rows, columns, colour));
      forEachPlace(rows, columns, colour, (count, y, x) => {
        grid[y * columns + x] = symbols[count];
      });
    }
    this.#add(context, grid);
    return grid;
  }

  /**
   * The context vector of a place before shift and clip.
   * @param {Int32Array} vector is set
   * @param {StageContext} context
   * @param {number} y
   * @param {number} x
   * @param {Uint16Array | null} grid the symbols of the first pass, in the second one
   */
  #sumUp(vector, context, y, x, grid) {
    const { level, side, dim, own, coarse, place, quality, features } = context;
    const at = ((y % side) * side + (x % side)) * dim;
    for (let d = 0; d < dim; d++) vector[d] = place[at + d] + quality[this.quality * dim + d];
    OWN_PLACES.forEach((offsets, part) => {
      this.row.fill(0);
      for (const [v, u] of offsets) this.#addSum(level, y + v, x + u);
      addProduct(vector, this.row, own, part);
    });
    if (grid) {
      this.row.fill(0);
      for (const [v, u] of SIDES) this.#addSymbol(level, y + v, x + u, grid, features);
      addProduct(vector, this.row, own, OWN_PARTS - 1);
    }
    for (let c = 0; c < level; c++) {
      const ratio = this.prior.levels[c] / this.prior.levels[level];
      const [Y, X] = [Math.floor(y / ratio), Math.floor(x / ratio)];
      const nearX = X + (2 * (x % ratio) >= ratio ? 1 : -1);
      const nearY = Y + (2 * (y % ratio) >= ratio ? 1 : -1);
      [[Y, X], [Y, nearX], [nearY, X]].forEach(([v, u], part) => {
        this.row.fill(0);
        this.#addSum(c, v, u);
        addProduct(vector, this.row, coarse, c * COARSE_PARTS + part);
      });
    }
  }

  /**
   * Add the sum of a level at a place to the row; it is zero outside.
   * @param {number} level
   * @param {number} y
   * @param {number} x
   */
  #addSum(level, y, x) {
    const { rows, columns } = this.shapes[level];
    if (y >= 0 && y < rows && x >= 0 && x < columns) {
      addRow(this.row, this.sums[level], y * columns + x);
    }
  }

  /**
   * Add the features of a symbol of this stage to the row; none are outside.
   * @param {number} level
   * @param {number} y
   * @param {number} x
   * @param {Uint16Array} grid
   * @param {Int32Array} features
   */
  #addSymbol(level, y, x, grid, features) {
    const { rows, columns } = this.shapes[level];
    if (y >= 0 && y < rows && x >= 0 && x < columns) {
      addRow(this.row, features, grid[y * columns + x]);
    }
  }

  /**
   * Add the features of a stage to the sums of its level.
   * @param {StageContext} context
   * @param {Uint16Array} grid
   */
  #add({ level, features }, grid) {
    const { length } = this.prior;
    const sums = this.sums[level];
    grid.forEach((symbol, place) => {
      addRow(sums.subarray(place * length, (place + 1) * length), features, symbol);
    });
  }
}

/**
 * Visit the places of a pass in raster order.
 * @param {number} rows
 * @param {number} columns
 * @param {number} colour parity of row + column
 * @param {(count: number, y: number, x: number) => void} visit
 */
function forEachPlace(rows, columns, colour, visit) {
  let count = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = (y + colour) & 1; x < columns; x += 2) visit(count++, y, x);
  }
}

/**
 * The symbols of a pass.
 * @param {Uint16Array} grid
 * @param {number} rows
 * @param {number} columns
 * @param {number} colour
 */
function taken(grid, rows, columns, colour) {
  const symbols = new Uint16Array((grid.length + 1 - colour) >> 1);
  forEachPlace(rows, columns, colour, (count, y, x) => {
    symbols[count] = grid[y * columns + x];
  });
  return symbols;
}

/**
 * row += rows[number]
 * @param {Int32Array} row
 * @param {Int32Array} rows
 * @param {number} number
 */
function addRow(row, rows, number) {
  const first = number * row.length;
  for (let r = 0; r < row.length; r++) row[r] += rows[first + r];
}

/**
 * vector += row · matrices[part]
 * @param {Int32Array} vector D numbers
 * @param {Int32Array} row R numbers
 * @param {Int32Array} matrices [parts, R, D]
 * @param {number} part
 */
function addProduct(vector, row, matrices, part) {
  const dim = vector.length;
  for (let r = 0; r < row.length; r++) {
    const factor = row[r];
    if (!factor) continue;
    const first = (part * row.length + r) * dim;
    for (let d = 0; d < dim; d++) vector[d] += Math.imul(factor, matrices[first + d]);
  }
}

/**
 * Number of the centre nearest to a context vector, the lowest of equally near ones.
 * @param {Int32Array} vector
 * @param {StageContext} context
 * @param {number} shift
 */
function nearest(vector, { centres, offsets }, shift) {
  const dim = vector.length;
  for (let d = 0; d < dim; d++) vector[d] = Math.max(-CLIP, Math.min(CLIP, vector[d] >> shift));
  let best = 0;
  let least = Infinity;
  for (let m = 0, at = 0; m < offsets.length; m++) {
    let score = offsets[m];
    for (let d = 0; d < dim; d++) score -= 2 * Math.imul(vector[d], centres[at++]);
    if (score < least) {
      least = score;
      best = m;
    }
  }
  return best;
}

/** @param {ContextPrior} prior */
function checkSizes({ cells, shift, length }) {
  if (cells.some((cell, i) => i > 0 && (cells[i - 1] < cell || cells[i - 1] % cell))) {
    throw new RangeError(`cells (${cells.join(", ")}) do not form a pyramid, coarse to fine`);
  }
  if (shift < 0 || shift > 24) throw new RangeError(`expected a shift of 0..24 bits, got ${shift}`);
  if (length < 1 || length > MAX_FEATURES) {
    throw new RangeError(`expected 1..${MAX_FEATURES} features of a code, got ${length}`);
  }
}

/**
 * @param {PriorTensors} tensors
 * @param {ContextPrior} prior
 * @param {number} cell
 * @param {number} stage
 * @returns {StageContext}
 */
function readStage(tensors, { cells, levels, length }, cell, stage) {
  const tables = tensors.tables(stage);
  const level = levels.indexOf(cell);
  const side = cells[0] / cell;
  const [, dim] = tensors.typed(`centres.${stage}`, "I32", 2).shape;
  if (dim < 1 || dim > MAX_CONTEXT) {
    throw new RangeError(`expected 1..${MAX_CONTEXT} numbers of a context, got ${dim}`);
  }
  const centres = tensors.integers(`centres.${stage}`, [tables.count, dim]);
  if (largest(centres) > CLIP) throw new RangeError(`centres.${stage} leave the range ±${CLIP}`);
  return {
    level,
    side,
    dim,
    tables,
    features: tensors.integers(`features.${stage}`, [tables.symbols, length]),
    own: tensors.integers(`own.${stage}`, [OWN_PARTS, length, dim]),
    coarse: tensors.integers(`coarse.${stage}`, [level, COARSE_PARTS, length, dim]),
    place: tensors.integers(`place.${stage}`, [side, side, dim]),
    quality: tensors.integers(`quality.${stage}`, [QUALITIES, dim]),
    centres,
    offsets: Int32Array.from({ length: tables.count }, (_, m) =>
      centres.subarray(m * dim, (m + 1) * dim).reduce((sum, number) => sum + number * number, 0),
    ),
  };
}

/**
 * Refuse a prior for which a sum could leave 32 bits.
 * @param {StageContext[]} stages
 */
function checkSums(stages) {
  /** @type {number[]} largest absolute value of a number of a sum, by level */
  const most = [];
  stages.forEach(({ level, dim, features, own, coarse, place, quality }, stage) => {
    const here = largest(features);
    most[level] ??= 0;
    const perLevel = coarse.length / Math.max(level, 1);
    let total = 4 * Math.max(most[level], here) * largestColumn(own, dim);
    for (let c = 0; c < level; c++) {
      const weights = coarse.subarray(c * perLevel, (c + 1) * perLevel);
      total += most[c] * largestColumn(weights, dim);
    }
    total += largest(place) + largest(quality);
    if (total >= 2 ** 31) {
      throw new RangeError(`the context sums of stage ${stage} could leave int32`);
    }
    most[level] += here;
  });
}

/** @param {Int32Array} values */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * Largest sum of absolute values in a column.
 * @param {Int32Array} matrices rows of `dim` numbers
 * @param {number} dim
 */
function largestColumn(matrices, dim) {
  const sums = new Float64Array(dim);
  matrices.forEach((value, at) => (sums[at % dim] += Math.abs(value)));
  return Math.max(...sums);
}
