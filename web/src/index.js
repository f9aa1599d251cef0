/** The decoder of bibcodec's files: bytes to indices, and indices to pixels. */

export { alphaPlane } from "./alpha.js";
export { DEFAULT_LIMITS, parse, parseHeader, storedSeed, write } from "./container.js";
export * from "./errors.js";
export { unpackMetadata } from "./metadata.js";
export { noise } from "./noise.js";
export { loadPrior } from "./prior.js";
export { decodeIndices, encodeIndices } from "./stream.js";
