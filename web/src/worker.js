/** Decodes in a thread of its own, one request after the other. */

import { alphaPlane } from "./alpha.js";
import { PAGE_LIMITS, parse, storedSeed } from "./container.js";
import { Picture } from "./decode.js";
import { Engine } from "./engine.js";
import { CodecError } from "./errors.js";
import { filesAt } from "./files.js";
import { Model } from "./model.js";
import { unpackMetadata } from "./metadata.js";
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
 * @property {Uint8Array | null} profile ICC of the pixels; null is sRGB
 */

/** @type {Promise<Model>} */
let model;
/** @type {Promise<Engine>} */
let engine;
/** @type {Map<number, Picture>} */
const pictures = new Map();

const requests = {
  /**
   * Fetch the model.
   * @param {{ folder: string, contexts: string }} request address of its folder; file of the compiled
   *   contexts, "" if there is none
   */
  begin({ folder, contexts }) {
    const readFile = filesAt(folder);
    model = Model.load(readFile, contexts);
    engine = begin(model, readFile("onnxruntime.wasm"));
    for (const promise of [model, engine]) promise.catch(() => {}); // said when a file is opened
  },

  /**
   * Decode a file to its indices.
   * @param {{ id: number, data: Uint8Array, partial: boolean }} request
   * @returns {Promise<About>}
   */
  async open({ id, data, partial }) {
    const file = parse(data, PAGE_LIMITS);
    const known = await model;
    known.check(file.header);
    /** @type {number[]} */
    const ends = [];
    const indices = decodeIndices(file, known.prior, {
      allowPartial: partial,
      onStage: (bytes) => ends.push(bytes),
    });
    const { width, height } = file.header;
    const profile = (await unpackMetadata(file.chunks)).get("iccp")?.slice() ?? null;
    const plane = await alphaPlane(file.chunks, height, width);
    pictures.set(id, new Picture(await engine, file, indices, plane));
    return { ...about(file, data.length, indices.length, ends), profile };
  },

  /**
   * The pixels of an open file.
   * @param {{ id: number, realism: number, seed: bigint | null }} request
   */
  async pixels({ id, realism, seed }) {
    const picture = pictures.get(id);
    if (!picture) throw new CodecError("the picture is closed");
    return picture.pixels(realism, seed ?? undefined);
  },

  /** @param {{ id: number }} request */
  close({ id }) {
    pictures.delete(id);
  },
};

/**
 * @param {Promise<Model>} model
 * @param {Promise<Uint8Array>} runtime
 */
async function begin(model, runtime) {
  const [known, wasm] = await Promise.all([model, runtime]);
  await known.loadWeights();
  return new Engine(known, wasm);
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
globalThis.onmessage = ({ data: { call, name, request } }) => {
  queue = queue.then(async () => {
    try {
      const result = await requests[name](request);
      const transfer = result instanceof Uint8ClampedArray ? [result.buffer] : [];
      postMessage({ call, result }, { transfer });
    } catch (error) {
      const { name: kind, message } = /** @type {Error} */ (error);
      postMessage({ call, error: { kind, message } });
    }
  });
};
