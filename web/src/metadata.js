/** ICC, EXIF and XMP in a file: chunks of their own, or packed into one `meta` chunk (FORMAT.md 3). */

import { BitstreamError } from "./errors.js";
import { Reader, quotedText } from "./header.js";
import { inflateExactly } from "./streams.js";

const KINDS = ["exif", "xmp_", "iccp"];
const PACKED = "meta";

/**
 * What a `meta` chunk says that it holds: sizes in bytes by kind, in its order.
 * @param {Uint8Array} data
 */
export function packedSizes(data) {
  return readDirectory(new Reader(data));
}

/**
 * The metadata of a file by kind, from `meta` or chunks of their own.
 * @param {Map<string, Uint8Array>} chunks
 * @returns {Promise<Map<string, Uint8Array>>}
 */
export async function unpackMetadata(chunks) {
  const found = new Map(Array.from(chunks).filter(([kind]) => KINDS.includes(kind)));
  const packed = chunks.get(PACKED);
  if (!packed) return found;
  const reader = new Reader(packed);
  const sizes = readDirectory(reader);
  const size = Array.from(sizes.values()).reduce((sum, length) => sum + length, 0);
  const raw = await inflated(reader.rest(), size);
  let at = 0;
  for (const [kind, length] of sizes) found.set(kind, raw.subarray(at, (at += length)));
  return found;
}

/**
 * @param {Uint8Array} data
 * @param {number} size
 */
async function inflated(data, size) {
  let raw;
  try {
    raw = await inflateExactly(data, size);
  } catch (error) {
    throw new BitstreamError(`chunk ${PACKED}: damaged (${/** @type {Error} */ (error).message})`);
  }
  if (raw) return raw;
  throw new BitstreamError(`chunk ${PACKED}: does not hold ${size} bytes exactly`);
}

/** @param {Reader} reader */
function readDirectory(reader) {
  /** @type {Map<string, number>} */
  const sizes = new Map();
  const [count] = reader.take(1, `the count of chunk ${PACKED}`);
  for (let i = 0; i < count; i++) {
    const kind = String.fromCharCode(...reader.take(4, `a type in chunk ${PACKED}`));
    if (!KINDS.includes(kind) || sizes.has(kind)) {
      const name = quotedText(kind);
      throw new BitstreamError(`chunk ${PACKED}: ${name} may not be there: the file is damaged`);
    }
    sizes.set(kind, reader.varint(`a length in chunk ${PACKED}`));
  }
  if (!count) throw new BitstreamError(`chunk ${PACKED}: it holds nothing: the file is damaged`);
  return sizes;
}
