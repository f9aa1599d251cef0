/** The alpha plane of an image, without loss: the chunks `alph` and `Alpl` (FORMAT.md 3). */

import { BitstreamError } from "./errors.js";
import { LzmaError, unpackLzma } from "./lzma.js";
import { deflated, inflateExactly } from "./streams.js";

const DICTIONARY = 2 ** 22;
const ALONG_ROWS = 1;

/** How each filter of `Alpl` is undone: running sums along rows (1) or columns (0). */
const FILTERS = [[], [ALONG_ROWS], [0], [0, ALONG_ROWS], [ALONG_ROWS, ALONG_ROWS]];

/**
 * The alpha plane that a file's chunks hold; never takes much more memory than the plane.
 * @param {Map<string, Uint8Array>} chunks
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Uint8Array | null>} height × width, rows from the top; null if there is none
 */
export async function alphaPlane(chunks, height, width) {
  const [zlib, lzma] = [chunks.get("alph"), chunks.get("Alpl")];
  if (!zlib && !lzma) return null;
  const filter = zlib ? FILTERS[1] : FILTERS[lzma?.[0] ?? FILTERS.length];
  if (!filter) throw new BitstreamError("alpha chunk: its filter is unknown: the file is damaged");
  const size = height * width;
  try {
    const plane = zlib
      ? await inflateExactly(zlib, size)
      : unpackLzma(/** @type {Uint8Array} */ (lzma).subarray(1), size, DICTIONARY);
    if (plane) return unfiltered(plane, filter, width);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof LzmaError)) throw error;
    throw new BitstreamError(`alpha chunk: damaged (${error.message})`);
  }
  throw new BitstreamError(`alpha chunk: does not hold ${width}x${height} bytes exactly`);
}

/**
 * Data of an `alph` chunk.
 * @param {Uint8Array} plane height × width
 * @param {number} width
 */
export function packAlpha(plane, width) {
  return deflated(plane.map((alpha, at) => (at % width ? alpha - plane[at - 1] : alpha)));
}

/**
 * @param {Uint8Array} plane is changed, modulo 256
 * @param {number[]} filter
 * @param {number} width
 */
function unfiltered(plane, filter, width) {
  for (const axis of filter) {
    for (let at = 1; at < plane.length; at++) {
      if (axis === ALONG_ROWS ? at % width : at >= width) {
        plane[at] += plane[axis === ALONG_ROWS ? at - 1 : at - width];
      }
    }
  }
  return plane;
}
