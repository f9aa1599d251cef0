/** Bytes through one of the browser's transforms: deflate, gzip. */

/**
 * @param {Uint8Array} data
 * @param {CompressionStream | DecompressionStream} transform
 * @returns {ReadableStream<Uint8Array>}
 */
export function through(data, transform) {
  return new Blob([/** @type {BlobPart} */ (data)]).stream().pipeThrough(transform);
}

/**
 * All of it at once.
 * @param {Uint8Array} data
 * @param {CompressionStream | DecompressionStream} transform
 */
export async function allThrough(data, transform) {
  return new Uint8Array(await new Response(through(data, transform)).arrayBuffer());
}
