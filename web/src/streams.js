/** Bytes through the browser's transforms: zlib and gzip. */

/**
 * All of it.
 * @param {Uint8Array} data
 * @param {CompressionStream | DecompressionStream} transform
 */
export async function allThrough(data, transform) {
  return new Uint8Array(await new Response(through(data, transform)).arrayBuffer());
}

/**
 * A zlib stream (RFC 1950).
 * @param {Uint8Array} data
 */
export function deflated(data) {
  return allThrough(data, new CompressionStream("deflate"));
}

/**
 * Unpack a zlib stream (RFC 1950) that must hold exactly `size` bytes, with nothing behind it; never
 * holds much more than that.
 * @param {Uint8Array} data
 * @param {number} size
 * @returns {Promise<Uint8Array | null>} null if it is of another size
 * @throws {TypeError} the data is no zlib stream
 */
export async function inflateExactly(data, size) {
  const out = new Uint8Array(size);
  const reader = through(data, new DecompressionStream("deflate")).getReader();
  let filled = 0;
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (filled + part.value.length > size) return null;
      out.set(part.value, filled);
      filled += part.value.length;
    }
  } catch (error) {
    throw new TypeError(/** @type {Error} */ (error).message); // Node says it with a plain Error
  } finally {
    reader.cancel().catch(() => {}); // a stream that failed says so once more
  }
  return filled === size && adler32(out) === lastWord(data) ? out : null;
}

/**
 * @param {Uint8Array} data
 * @param {CompressionStream | DecompressionStream} transform
 * @returns {ReadableStream<Uint8Array>}
 */
function through(data, transform) {
  return new Blob([/** @type {BlobPart} */ (data)]).stream().pipeThrough(transform);
}

/**
 * A zlib stream ends in an Adler-32. Node 20 lets anything stand behind it.
 * @param {Uint8Array} data
 */
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
