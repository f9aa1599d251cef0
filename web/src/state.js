/** The coding of an image by a prior, stage by stage (FORMAT.md 4 and 6). */

import { Decoder, Encoder } from "./entropy.js";

/** @typedef {import("./entropy.js").Tables} Tables */
/** @typedef {{ rows: number, columns: number }} Shape */

/**
 * Codes one pass: writes the symbols that are given, or reads them where they are null.
 * @callback Code
 * @param {Uint16Array} tableIds the table of each symbol
 * @param {Tables} tables
 * @param {Uint16Array | null} symbols
 * @returns {Uint16Array} the symbols
 */

/**
 * @typedef {object} Coding
 * @property {Code} code
 */
/** @typedef {Coding & Pick<Decoder, "endsWith" | "hasMore" | "position">} Reading */
/** @typedef {Coding & Pick<Encoder, "finish">} Writing */

/**
 * @typedef {object} Prior
 * @property {number[]} cells pixels a side of each stage's cells, coarse to fine
 * @property {(height: number, width: number, quality: number) => PriorState} begin
 */

/**
 * The rows and columns of a grid whose cells of `cell` pixels cover the image.
 * @param {number} height
 * @param {number} width
 * @param {number} cell
 * @returns {Shape}
 */
export function gridShape(height, width, cell) {
  return { rows: Math.ceil(height / cell), columns: Math.ceil(width / cell) };
}

/** The coding of one image: knows the stages coded so far. */
export class PriorState {
  /**
   * @param {number[]} cells pixels a side, of each grid
   * @param {number} height
   * @param {number} width
   * @param {number} quality
   */
  constructor(cells, height, width, quality) {
    this.quality = quality;
    /** @type {Shape[]} of the grids */
    this.shapes = cells.map((cell) => gridShape(height, width, cell));
  }

  /**
   * Code the next stage.
   * @param {number} stage
   * @param {Code} code
   * @param {Uint16Array | null} known its symbols in raster order; null where they are read
   * @returns {Uint16Array} its symbols
   */
  codeStage(stage, code, known) {
    throw new Error(`no way to code stage ${stage}`);
  }

  /**
   * What reads from a payload.
   * @param {Uint8Array} data one or more words
   * @returns {Reading}
   */
  decoder(data) {
    return new Decoder(data);
  }

  /** @returns {Writing} */
  encoder() {
    return new Encoder();
  }
}
