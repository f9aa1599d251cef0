/**
 * Answers a page's requests with what `kept.js` has kept of this build; all others go to the server. A
 * new build has another service worker, which the browser looks for by itself, and so another cache.
 */

/** @typedef {Event & { request: Request, respondWith: (response: Promise<Response>) => void }} Asked */

self.addEventListener("install", () => /** @type {any} */ (self).skipWaiting());
self.addEventListener("fetch", (event) => {
  const asked = /** @type {Asked} */ (event);
  asked.respondWith(answer(asked.request));
});

/** @param {Request} request */
async function answer(request) {
  for (const name of await caches.keys()) {
    if (!(name.startsWith("bibcodec ") && name.endsWith(` ${BUILD}`))) continue;
    const found = await (await caches.open(name)).match(request);
    if (found) return found;
  }
  return fetch(request);
}
