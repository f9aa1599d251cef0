/** Files of the model from a web server, kept by the browser after the first visit. */

import { CodecError } from "./errors.js";
import { allThrough } from "./streams.js";

/**
 * Reads files of a folder that the build wrote: each is gzipped, and the folder's name changes with
 * its content, so that what is kept never has to be asked for again.
 * @param {string} folder address, with a slash at its end
 * @param {string} cache name of the browser's cache where they are kept
 * @returns {import("./model.js").ReadFile}
 */
export function filesAt(folder, cache) {
  return async (name) => {
    const response = await kept(`${folder}${name}.gz`, cache);
    const data = new Uint8Array(await response.arrayBuffer());
    const packed = data[0] === 0x1f && data[1] === 0x8b; // not if the server has unpacked it
    return packed ? allThrough(data, new DecompressionStream("gzip")) : data;
  };
}

/**
 * @param {string} address
 * @param {string} name
 */
async function kept(address, name) {
  const cache = await globalThis.caches?.open(name).catch(() => null); // none on insecure pages
  const found = await cache?.match(address);
  if (found) return found;
  const response = await fetch(address);
  if (!response.ok) {
    throw new CodecError(`the file ${address} cannot be loaded: the server says ${response.status}`);
  }
  await cache?.put(address, response.clone()).catch(() => null); // a full disk is no reason to fail
  return response;
}
