/** The page's side of the worker: opens files, and paints them on canvases. */

import * as errors from "./errors.js";
import { CACHE, keep } from "./kept.js";

/** @typedef {import("./worker.js").About} About */

export class Decoder {
  #worker;
  #calls = 0;
  #pictures = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();

  /**
   * Starts the worker; the model is fetched at once.
   * @param {string[]} scripts files of the page, to be kept for later visits
   */
  constructor(scripts) {
    const folder = new URL(`${BUILD}/`, import.meta.url);
    this.#worker = new Worker(new URL("worker.js", folder), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#answered(data);
    this.#worker.onerror = ({ message }) => this.#failed(message ?? "its worker cannot be loaded");
    this.#call("begin", { folder: folder.href, cache: CACHE });
    keep([...scripts, `${BUILD}/worker.js`]);
  }

  /**
   * Decode a file to its indices.
   * @param {Uint8Array} data
   * @param {object} [options]
   * @param {boolean} [options.partial] take what a cut file still holds
   */
  async open(data, { partial = false } = {}) {
    const id = this.#pictures++;
    const about = await this.#call("open", { id, data, partial });
    return new OpenPicture((name, request) => this.#call(name, { id, ...request }), about);
  }

  /**
   * Analyse an image file of any kind that the browser shows, to encode it.
   * @param {Blob} photo
   */
  async photo(photo) {
    const id = this.#pictures++;
    await this.#call("analyze", { id, photo });
    return new Photo((name, request) => this.#call(name, { id, ...request }));
  }

  /**
   * @param {string} name
   * @param {object} request
   * @returns {Promise<any>}
   */
  #call(name, request) {
    const call = this.#calls++;
    this.#worker.postMessage({ call, name, request });
    return new Promise((resolve, reject) => this.#waiting.set(call, { resolve, reject }));
  }

  /** @param {{ call: number, result?: any, error?: { kind: string, message: string } }} answer */
  #answered({ call, result, error }) {
    const { resolve, reject } = /** @type {any} */ (this.#waiting.get(call));
    this.#waiting.delete(call);
    if (!error) return resolve(result);
    const Kind = errors[/** @type {keyof typeof errors} */ (error.kind)] ?? Error;
    reject(new Kind(error.message));
  }

  /** @param {string} message */
  #failed(message) {
    const error = new errors.CodecError(`the decoder cannot run in this browser: ${message}`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** A file whose indices are decoded; the networks run when its pixels are asked for. */
export class OpenPicture {
  /**
   * @param {(name: string, request?: object) => Promise<any>} call
   * @param {About} about what the file says of itself
   */
  constructor(call, about) {
    this.call = call;
    this.about = about;
  }

  /**
   * Its pixels, for `draw` of `canvas.js`.
   * @param {number} realism 0..1
   * @param {bigint | null} [seed] of the noise; null is the file's
   * @returns {Promise<ImageData | ImageBitmap>}
   */
  image(realism, seed = null) {
    return this.call("image", { realism, seed });
  }

  /**
   * Its pixels as a PNG file.
   * @param {number} realism 0..1
   * @param {bigint | null} [seed] of the noise; null is the file's
   * @returns {Promise<Blob>}
   */
  png(realism, seed = null) {
    return this.call("png", { realism, seed });
  }

  /** Give back what the worker holds of it. */
  close() {
    return this.call("close");
  }
}

/** An image that is encoded, as often as one likes. */
export class Photo {
  /** @param {(name: string, request?: object) => Promise<any>} call */
  constructor(call) {
    this.call = call;
  }

  /**
   * The bytes of its file at a quality, and the picture that they hold; that of another quality is
   * closed then.
   * @param {number} quality 0..100
   * @returns {Promise<{ data: Uint8Array, picture: OpenPicture }>}
   */
  async encode(quality) {
    const { data, about } = await this.call("encode", { quality });
    return { data, picture: new OpenPicture(this.call, about) };
  }
}

/** @type {Decoder | undefined} */
let shared;

/** The decoder that all pictures of a page share. */
export function sharedDecoder() {
  shared ??= new Decoder(["bibc-image.js"]);
  return shared;
}

/**
 * A seed as it is written in an attribute or a field: "stored", "random", or a number.
 * @param {string} text
 * @returns {bigint | null} null is the file's
 */
export function seedOf(text) {
  if (text === "stored" || text === "") return null;
  if (text === "random") return crypto.getRandomValues(new BigUint64Array(1))[0];
  if (/^\d{1,20}$/.test(text) && BigInt(text) < 2n ** 64n) return BigInt(text);
  throw new RangeError(`the seed is "${text}", expected stored, random or a number 0..2^64 - 1`);
}
