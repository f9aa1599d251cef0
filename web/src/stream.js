/** The image data: all stages of an image from one string of ANS words (FORMAT.md 4 and 5). */

import { crc32 } from "./checksums.js";
import { CHECK, LEAST_SEAL } from "./entropy.js";
import { Checksum, ModelMismatchError, Truncated } from "./errors.js";

/** @typedef {import("./container.js").Container} Container */
/** @typedef {import("./header.js").Header} Header */
/** @typedef {import("./state.js").Code} Code */
/** @typedef {import("./state.js").Prior} Prior */

const MARGIN = 3; // in a damaged file, stages before the first failing check that are not trusted
const WORD_BYTES = 4;

/**
 * Code an image's indices.
 * @param {Uint16Array[]} indices each stage's symbols in raster order, coarse to fine
 * @param {Prior} prior
 * @param {Header} header
 * @returns {Uint8Array} the payload, a whole number of words
 */
export function encodeIndices(indices, prior, header) {
  const state = prior.begin(header.height, header.width, header.quality);
  const encoder = state.encoder();
  let crc = crc32(header.fields);
  indices.forEach((grid, stage) => {
    state.codeStage(stage, (...pass) => encoder.code(...checked(...pass)), grid);
    crc = crc32(new Uint8Array(grid.buffer, grid.byteOffset, grid.byteLength), crc);
    if (stage + 1 === indices.length) return;
    encoder.code(new Uint16Array(1), CHECK, Uint16Array.of(crc % CHECK.symbols));
  });
  return encoder.finish((crc | LEAST_SEAL) >>> 0);
}

/**
 * The pass, if its symbols have a place in the tables.
 * @type {(...pass: Parameters<Code>) => Parameters<Code>}
 */
function checked(tableIds, tables, symbols) {
  if (symbols?.length === tableIds.length && symbols.every((symbol) => symbol < tables.symbols)) {
    return [tableIds, tables, symbols];
  }
  throw new RangeError(`expected ${tableIds.length} symbols below ${tables.symbols}`);
}

/**
 * Decode an image's indices, or refuse.
 * @param {Container} file
 * @param {Prior} prior of the model whose fingerprint the header has; the caller compares
 * @param {object} [options]
 * @param {boolean} [options.allowPartial] return the stages that a cut or damaged payload still
 *   holds, if it holds any, instead of refusing it; FORMAT.md 5 says how sure they are
 * @param {(bytes: number) => void} [options.onStage] told after each stage how far it was read
 * @returns {Uint16Array[]} each stage's symbols in raster order, coarse to fine; fewer than the
 *   header says only if the payload is not whole and `allowPartial` is given
 */
export function decodeIndices({ header, payload }, prior, { allowPartial = false, onStage } = {}) {
  if (header.stages > prior.cells.length) {
    throw new ModelMismatchError(
      `the file has ${header.stages} stages, the model has ${prior.cells.length}`,
    );
  }
  const cut = payload.length % WORD_BYTES;
  if (cut && !allowPartial) {
    throw new Truncated("the image data is no whole number of words: the file is cut or lengthened");
  }
  if (payload.length < WORD_BYTES) throw new Truncated("the file holds no image data: it is cut");
  const state = prior.begin(header.height, header.width, header.quality);
  const decoder = state.decoder(payload.subarray(0, payload.length - cut));
  /** @type {Uint16Array[]} */
  const stages = []; // whose check was read and right
  try {
    let crc = crc32(header.fields);
    for (let stage = 0; stage < header.stages; stage++) {
      const grid = state.codeStage(stage, (...pass) => decoder.code(...pass), null);
      crc = crc32(new Uint8Array(grid.buffer), crc);
      if (stage + 1 < header.stages) checkStage(decoder, crc);
      else checkSeal(decoder, crc);
      stages.push(grid);
      onStage?.(decoder.position);
    }
    return stages;
  } catch (error) {
    if (!(error instanceof Truncated || error instanceof Checksum)) throw error;
    const kept = stages.length - (error instanceof Checksum ? MARGIN : 0);
    if (allowPartial && kept > 0) return stages.slice(0, kept);
    const where = `in stage ${stages.length + 1} of ${header.stages}`;
    error.message += ` ${where}: the file is cut or damaged`;
    throw error;
  }
}

/**
 * @param {import("./state.js").Reading} decoder
 * @param {number} crc
 */
function checkStage(decoder, crc) {
  const [value] = decoder.code(new Uint16Array(1), CHECK, null);
  if (value !== crc % CHECK.symbols) throw new Checksum("a check fails");
}

/**
 * @param {import("./state.js").Reading} decoder
 * @param {number} crc
 */
function checkSeal(decoder, crc) {
  if (decoder.endsWith((crc | LEAST_SEAL) >>> 0)) return;
  throw new (decoder.hasMore() ? Checksum : Truncated)("the seal does not match");
}
