/**
 * The file around the image data: header, optional chunks, payload (FORMAT.md 2 and 3).
 *
 * `parse` reads and checks all of it without decoding a symbol or allocating for the image.
 */

import { joined } from "./bytes.js";
import { crc32 } from "./checksums.js";
import { BitstreamError, Checksum, LimitExceeded, UnsupportedVersion } from "./errors.js";
import { Reader, quoted, readHeader, varint, writeHeader } from "./header.js";
import { packedSizes } from "./metadata.js";

/** @typedef {import("./header.js").Header} Header */

/**
 * What a reader is willing to decode; 0 = any.
 * @typedef {object} Limits
 * @property {number} maxPixels the most pixels, width × height
 * @property {number} maxSide the most pixels of a side
 * @property {number} maxChunkBytes the most bytes of data in all chunks together
 * @property {number} maxStages the most stages
 */

/** @type {Limits} */
export const DEFAULT_LIMITS = Object.freeze({
  maxPixels: 2 ** 28,
  maxSide: 2 ** 16 - 1,
  maxChunkBytes: 2 ** 26,
  maxStages: 64,
});

/** Of a page: a picture takes about 50 bytes a pixel. */
export const PAGE_LIMITS = Object.freeze({ maxPixels: 2 ** 25 });

/**
 * A parsed file.
 * @typedef {object} Container
 * @property {Header} header
 * @property {Map<string, Uint8Array>} chunks type -> data, each of its CRC32s checked
 * @property {Uint8Array} payload the coder's words for `decodeIndices`, not decoded
 */

/** @type {Map<string, number>} */
const FIXED_SIZES = new Map([["grey", 0], ["gry3", 0], ["seed", 8]]);
const EXCLUSIVE = [["grey", "gry3"], ["alph", "Alpl"]];
const TYPE = /^[A-Za-z][A-Za-z0-9_]{3}$/;

/**
 * Read a file's structure; nothing is decoded.
 * @param {Uint8Array} data the whole file, or as much of it as there is
 * @param {Partial<Limits>} [limits]
 * @returns {Container}
 */
export function parse(data, limits) {
  const { maxChunkBytes, ...ofImage } = { ...DEFAULT_LIMITS, ...limits };
  const reader = new Reader(data);
  const { header, pad, hasChunks } = readHeader(reader);
  checkLimits(header, ofImage);
  const chunks = hasChunks ? readChunks(reader, maxChunkBytes) : new Map();
  const stored = reader.rest();
  if (stored[0] === 0) {
    throw new Checksum("the image data begins with a zero byte: the file is damaged");
  }
  const payload = new Uint8Array(pad + stored.length);
  payload.set(stored, pad);
  return { header, chunks, payload };
}

/**
 * The bytes of a file.
 * @param {Container} file
 */
export function write({ header, chunks, payload }) {
  const pad = payload.findIndex((byte) => byte > 0);
  const parts = Array.from(chunks, ([kind, data]) => {
    const chunk = joined(new TextEncoder().encode(kind), varint(data.length), data);
    const check = new Uint8Array(4);
    new DataView(check.buffer).setUint32(0, crc32(chunk), true);
    return joined(chunk, check);
  });
  const count = parts.length ? [parts.length] : [];
  return joined(writeHeader(header, pad, parts.length > 0), count, ...parts, payload.subarray(pad));
}

/**
 * What the first bytes of a file say, before the rest is there.
 * @param {Uint8Array} data
 * @param {Partial<Limits>} [limits]
 */
export function parseHeader(data, limits) {
  const { header } = readHeader(new Reader(data));
  checkLimits(header, { ...DEFAULT_LIMITS, ...limits });
  return header;
}

/**
 * The seed of the decoder's noise, 0 if the file stores none.
 * @param {Container} file
 */
export function storedSeed(file) {
  const seed = file.chunks.get("seed");
  return seed ? new DataView(seed.buffer, seed.byteOffset).getBigUint64(0, true) : 0n;
}

/**
 * Whether the picture has no colour: one channel, or three equal ones.
 * @param {Container} file
 */
export function isGrey({ chunks }) {
  return chunks.has("grey") || chunks.has("gry3");
}

/**
 * @param {Header} header
 * @param {Omit<Limits, "maxChunkBytes">} limits
 */
function checkLimits({ width, height, stages }, { maxPixels, maxSide, maxStages }) {
  const size = `the image is ${width}x${height}`;
  const pixels = BigInt(width) * BigInt(height);
  if (maxPixels && pixels > maxPixels) {
    throw new LimitExceeded(`${size}, ${pixels} pixels; the limit is ${maxPixels} pixels`);
  }
  if (maxSide && Math.max(width, height) > maxSide) {
    throw new LimitExceeded(`${size}; the limit is ${maxSide} pixels a side`);
  }
  if (maxStages && stages > maxStages) {
    throw new LimitExceeded(
      `the image has ${stages} stages; the limit is ${maxStages} stages`,
    );
  }
}

/**
 * @param {Reader} reader
 * @param {number} maxBytes of data in all chunks together; 0 = any
 */
function readChunks(reader, maxBytes) {
  /** @type {Map<string, Uint8Array>} */
  const chunks = new Map();
  const [count] = reader.take(1, "the chunk count");
  if (!count) throw new BitstreamError("the header announces chunks, but their count is 0");
  let total = 0;
  for (let i = 0; i < count; i++) {
    const start = reader.at;
    const name = reader.take(4, "a chunk's type");
    const kind = String.fromCharCode(...name);
    if (!TYPE.test(kind)) {
      throw new BitstreamError(
        `byte ${start}: ${quoted(name)} is not a chunk type; the file is damaged`,
      );
    }
    const length = reader.varint(`the length of chunk ${kind}`);
    total += length;
    checkTotal(kind, total, maxBytes);
    const data = reader.take(length, `chunk ${kind}`);
    const crc = crc32(reader.data.subarray(start, reader.at));
    const check = reader.take(4, `chunk ${kind}`);
    if (new DataView(check.buffer, check.byteOffset).getUint32(0, true) !== crc) {
      throw new Checksum(`chunk ${kind} at byte ${start} is damaged: its CRC32 does not match`);
    }
    checkChunk(kind, data, start, chunks.has(kind));
    chunks.set(kind, data);
  }
  checkTogether(chunks, total, maxBytes);
  return chunks;
}

/**
 * @param {string} kind
 * @param {number} total
 * @param {number} maxBytes
 */
function checkTotal(kind, total, maxBytes) {
  if (maxBytes && total > maxBytes) {
    throw new LimitExceeded(
      `the chunks up to ${kind} have ${total} bytes; the limit is ${maxBytes} bytes`,
    );
  }
}

/**
 * Refuse what may not stand beside each other; nothing is unpacked.
 * @param {Map<string, Uint8Array>} chunks
 * @param {number} total
 * @param {number} maxBytes
 */
function checkTogether(chunks, total, maxBytes) {
  const packed = chunks.get("meta");
  if (packed) {
    const sizes = packedSizes(packed);
    for (const size of sizes.values()) total += size;
    checkTotal("meta", total, maxBytes);
    const twice = Array.from(sizes.keys()).find((kind) => chunks.has(kind));
    if (twice) {
      throw new BitstreamError(`chunk ${twice} is there, and in chunk meta a second time`);
    }
  }
  for (const [one, other] of EXCLUSIVE) {
    if (chunks.has(one) && chunks.has(other)) {
      throw new BitstreamError(`the chunks ${one} and ${other} exclude each other`);
    }
  }
}

/**
 * @param {string} kind
 * @param {Uint8Array} data
 * @param {number} start
 * @param {boolean} again
 */
function checkChunk(kind, data, start, again) {
  if (again) throw new BitstreamError(`chunk ${kind} at byte ${start} occurs a second time`);
  if (kind[0] < "a" && kind !== "Alpl") {
    throw new UnsupportedVersion(`the file needs chunk ${kind}, which this reader does not know`);
  }
  const size = FIXED_SIZES.get(kind) ?? data.length;
  if (data.length !== size) {
    throw new BitstreamError(`the ${kind} chunk has ${data.length} bytes, expected ${size}`);
  }
}
