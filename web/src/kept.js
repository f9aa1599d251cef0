/** What the browser keeps of this build, so that later visits do not ask the server for it. */

const HERE = new URL(".", import.meta.url).href;
const PREFIX = `bibcodec ${HERE} `;

/** Name of the cache of this build; `service-worker.js` knows its end. */
export const CACHE = PREFIX + BUILD;

/**
 * Keep files for later visits, and forget what other builds at this address have kept.
 * @param {string[]} names of files beside this script
 */
export async function keep(names) {
  if (!globalThis.caches) return; // this page is not secure
  try {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    const cache = await caches.open(CACHE);
    const addresses = names.map((name) => new URL(name, HERE).href);
    const found = await Promise.all(addresses.map((address) => cache.match(address)));
    const lacking = addresses.filter((_, n) => !found[n]);
    await cache.addAll(lacking.map((address) => new Request(address, { cache: "no-cache" })));
  } catch {
    return; // a full disk, or a server that is gone: a later visit asks again
  }
}
