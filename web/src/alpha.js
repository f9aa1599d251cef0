/** The alpha plane of an image, without loss: the data of an `alph` chunk (FORMAT.md 3). */

import { BitstreamError } from "./errors.js";
import { through } from "./streams.js";

/**
 * Unpack an `alph` chunk; never holds much more than the plane.
 * @param {Uint8Array} data
 * @param {number} height
 * @param {number} width
 * @returns {Promise<Uint8Array>} height × width, rows from the top
 */
export async function unpackAlpha(data, height, width) {
  const plane = new Uint8Array(height * width);
  let filled = 0;
  const reader = through(data, new DecompressionStream("deflate")).getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > plane.length) filled = Infinity;
      if (filled > plane.length) break;
      plane.set(part.value, filled);
      filled += part.value.length;
    }
  } catch (error) {
    const reason = /** @type {Error} */ (error).message;
    throw new BitstreamError(`alpha chunk: damaged (${reason})`);
  } finally {
    reader.cancel().catch(() => {}); // a stream that failed says so once more
  }
  if (filled !== plane.length || adler32(plane) !== lastWord(data)) {
    throw new BitstreamError(`alpha chunk: does not hold ${width}x${height} bytes exactly`);
  }
  for (let at = 0; at < plane.length; at++) {
    if (at % width) plane[at] += plane[at - 1]; // modulo 256
  }
  return plane;
}

/** @param {Uint8Array} data zlib's: an Adler-32 stands at the end, behind which nothing may be */
function lastWord(data) {
  return data.subarray(-4).reduce((word, byte) => word * 256 + byte, 0);
}

/** @param {Uint8Array} bytes */
function adler32(bytes) {
  let [sum, sums] = [1, 0];
  for (const byte of bytes) {
    sum = (sum + byte) % 65521;
    sums = (sums + sum) % 65521;
  }
  return sums * 65536 + sum;
}
