/** Decodes and encodes in a thread of its own, one request after the other. */

import { alphaPlane } from "./alpha.js";
import { PAGE_LIMITS, parse, storedSeed } from "./container.js";
import { Picture } from "./decode.js";
import { analyze, fileOf, quantize } from "./encode.js";
import { Engine } from "./engine.js";
import { CodecError } from "./errors.js";
import { filesAt } from "./files.js";
import { Kernel } from "./kernel.js";
import { Model } from "./model.js";
import { unpackMetadata } from "./metadata.js";
import { chunksOf, pixelsOf } from "./photo.js";
import { help } from "./pair.js";
import { pngOf } from "./png.js";
import { decodeIndices } from "./stream.js";

/**
 * What a file says of itself.
 * @typedef {object} About
 * @property {number} width
 * @property {number} height
 * @property {number} bytes of the file
 * @property {number} quality
 * @property {string} version of the format
 * @property {string} model fingerprint
 * @property {number} stages that are decoded
 * @property {number} written how many stages the file was written with
 * @property {number[]} stageBytes how many bytes of the image data each stage takes, about
 * @property {Record<string, number>} chunks bytes of each
 * @property {string} seed stored, 0 if none is
 * @property {boolean} hasProfile whether the pixels have a colour profile; sRGB else
 * @property {number | null} novelty percentile among photographs; null if the model cannot judge it
 */
/** @typedef {{ analysis: import("./encode.js").Analysis, chunks: Map<string, Uint8Array> }} Photo */

const MOST_HELD = 2 ** 22; // pixels of pictures, beside the last one, whose maps are kept: 40 bytes each

/** @type {Promise<Model>} */
let model;
/** @type {Promise<Engine>} */
let engine;
/** @type {Map<number, { picture: Picture, profile: Uint8Array | null }>} */
const pictures = new Map();
/** @type {Map<number, Photo>} */
const photos = new Map();

const requests = {
  /** Help the worker that asks, for as long as it lives. */
  help,

  /**
   * Fetch the model.
   * @param {{ folder: string, cache: string }} request address of its folder; where it is kept
   */
  begin({ folder, cache }) {
    const readFile = filesAt(folder, cache);
    model = Model.load(readFile, "contexts.wasm");
    engine = begin(model, readFile);
    for (const promise of [model, engine]) promise.catch(() => {}); // said when a file is opened
  },

  /**
   * Decode a file to its indices.
   * @param {{ id: number, data: Uint8Array, partial: boolean }} request
   * @returns {Promise<About>}
   */
  open({ id, data, partial }) {
    return open(id, data, partial);
  },

  /**
   * Analyse a photo; it can be coded then.
   * @param {{ id: number, photo: Blob }} request
   * @returns {Promise<{ width: number, height: number }>}
   */
  async analyze({ id, photo }) {
    const pixels = await pixelsOf(photo);
    const chunks = await chunksOf(pixels);
    const ready = await engine;
    await ready.loadEncoder();
    photos.set(id, { analysis: analyze(ready, pixels), chunks });
    return { width: pixels.width, height: pixels.height };
  },

  /**
   * Code an analysed photo at a quality; the picture of its file is open then.
   * @param {{ id: number, quality: number }} request
   * @returns {Promise<{ data: Uint8Array, about: About }>}
   */
  async encode({ id, quality }) {
    const photo = photos.get(id);
    if (!photo) throw new CodecError("the picture is closed");
    const { analysis, chunks } = photo;
    const ready = await engine;
    const { indices, energy, descent } = quantize(ready, analysis, quality);
    const { width, height } = analysis;
    const data = fileOf(ready.model, { width, height, quality }, indices, chunks);
    return { data, about: await open(id, data, false, { energy, descent }) };
  },

  /**
   * The picture of an open file, its colours converted from its profile where the browser can.
   * @param {{ id: number, realism: number, seed: bigint | null }} request
   * @returns {Promise<ImageData | ImageBitmap>}
   */
  async image(request) {
    const { image, profile } = await made(request);
    if (!profile) return image;
    return createImageBitmap(await pngOf(image, profile)).catch(() => image);
  },

  /**
   * The same as a PNG file, with the profile.
   * @param {{ id: number, realism: number, seed: bigint | null }} request
   */
  async png(request) {
    const { image, profile } = await made(request);
    return pngOf(image, profile);
  },

  /** @param {{ id: number }} request */
  close({ id }) {
    pictures.delete(id);
    photos.delete(id);
  },
};

/** @param {{ id: number, realism: number, seed: bigint | null }} request */
async function made({ id, realism, seed }) {
  const opened = pictures.get(id);
  if (!opened) throw new CodecError("the picture is closed");
  const { picture, profile } = opened;
  pictures.delete(id); // the last one that was asked for stands last
  pictures.set(id, opened);
  const { width, height } = picture.file.header;
  const pixels = picture.pixels(realism, seed ?? undefined);
  forgetOldest();
  return { image: new ImageData(/** @type {any} */ (pixels), width, height), profile };
}

/** Many pictures on a page take no more memory than a few: the oldest are made anew if need be. */
function forgetOldest() {
  let held = 0;
  for (const { picture } of Array.from(pictures.values()).reverse().slice(1)) {
    held += picture.held;
    if (held > MOST_HELD) picture.forget();
  }
}

/**
 * Decode a file to its indices.
 * @param {number} id
 * @param {Uint8Array} data
 * @param {boolean} partial take what a cut file still holds
 * @param {Partial<Awaited<ReturnType<typeof quantize>>>} [known] what its encoder knew
 * @returns {Promise<About>}
 */
async function open(id, data, partial, { energy, descent } = {}) {
  const file = parse(data, PAGE_LIMITS);
  const { header, chunks, payload } = file;
  const known = await model;
  known.check(header);
  /** @type {number[]} */
  const ends = [];
  const indices = decodeIndices(file, known.prior, {
    allowPartial: partial,
    onStage: (bytes) => ends.push(bytes),
  });
  const profile = (await unpackMetadata(chunks)).get("iccp")?.slice() ?? null;
  const plane = await alphaPlane(chunks, header.height, header.width);
  pictures.set(id, { picture: new Picture(await engine, file, indices, plane, descent), profile });
  const novelty = known.novelty(header, indices, payload.length, energy ?? null);
  return { ...about(file, data.length, indices.length, ends), hasProfile: Boolean(profile), novelty };
}

/**
 * @param {Promise<Model>} model
 * @param {import("./model.js").ReadFile} readFile
 */
async function begin(model, readFile) {
  const kernel = kernelOf(readFile);
  return Engine.load(await model, await kernel);
}

/**
 * The networks' arithmetic, on two threads where the page may share memory with workers.
 * @param {import("./model.js").ReadFile} readFile
 */
async function kernelOf(readFile) {
  if (globalThis.crossOriginIsolated) {
    const wasm = await readFile("networks-shared.wasm");
    const shared = await Kernel.shared(wasm, startHelper).catch(() => null); // no room for such a memory
    if (shared) return shared;
  }
  return Kernel.load(await readFile("networks.wasm"));
}

/**
 * Start another worker of this script, which helps this one.
 * @param {import("./pair.js").Help} given
 */
function startHelper(given) {
  const worker = new Worker(globalThis.location.href, { type: "module" });
  worker.postMessage({ call: 0, name: "help", request: given });
}

/**
 * @param {import("./container.js").Container} file
 * @param {number} bytes
 * @param {number} stages
 * @param {number[]} ends
 */
function about(file, bytes, stages, ends) {
  const { width, height, quality, fingerprint, major, minor, stages: written } = file.header;
  const sizes = Array.from(file.chunks, ([kind, data]) => [kind, data.length]);
  return {
    ...{ width, height, bytes, quality, stages, written },
    version: `${major}.${minor}`,
    model: fingerprint,
    stageBytes: ends.map((end, stage) => end - (stage ? ends[stage - 1] : 0)),
    chunks: Object.fromEntries(sizes),
    seed: String(storedSeed(file)),
  };
}

let queue = Promise.resolve();

/** @param {MessageEvent<{ call: number, name: keyof typeof requests, request: any }>} event */
function answer({ data: { call, name, request } }) {
  queue = queue.then(async () => {
    try {
      const result = await requests[name](request);
      /** @type {Transferable[]} */
      const transfer = [];
      if (result instanceof ImageData) transfer.push(result.data.buffer);
      if (result instanceof ImageBitmap) transfer.push(result);
      postMessage({ call, result }, { transfer });
    } catch (error) {
      const { name: kind, message } = /** @type {Error} */ (error);
      postMessage({ call, error: { kind, message } });
    }
  });
}

globalThis.onmessage = answer;
