/** Files of the model and of onnxruntime from a web server, kept by the browser after the first visit. */

import { CodecError } from "./errors.js";
import { allThrough } from "./streams.js";

const CACHE = "bibcodec";

/**
 * Reads files of a folder that the build wrote: each is gzipped, and the folder's name changes with
 * its content, so that what is kept never has to be asked for again.
 * @param {string} folder address, with a slash at its end
 * @returns {import("./model.js").ReadFile}
 */
export function filesAt(folder) {
  return async (name) => {
    const response = await kept(`${folder}${name}.gz`);
    const data = new Uint8Array(await response.arrayBuffer());
    const packed = data[0] === 0x1f && data[1] === 0x8b; // not if the server has unpacked it
    return packed ? allThrough(data, new DecompressionStream("gzip")) : data;
  };
}

/** @param {string} address */
async function kept(address) {
  const cache = await globalThis.caches?.open(CACHE).catch(() => null); // none on insecure pages
  const found = await cache?.match(address);
  if (found) return found;
  const response = await fetch(address);
  if (!response.ok) {
    throw new CodecError(`the file ${address} cannot be loaded: the server says ${response.status}`);
  }
  await cache?.put(address, response.clone()).catch(() => null); // a full disk is no reason to fail
  return response;
}
