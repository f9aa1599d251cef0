/**
 * From pixels to the bytes of a file: the encoder's pass, the search for codes, the container.
 *
 * The steps are those of `codec/runtime/encoder_pass.py` and `quantize.py`.
 */

import { write } from "./container.js";
import { rendered } from "./decode.js";
import { Descent, TILE, wholeWindow, windows } from "./descent.js";
import { majorOf, makeHeader } from "./header.js";
import { FeatureMap } from "./maps.js";
import { gridShape } from "./state.js";
import { encodeIndices } from "./stream.js";
import { CELL, choose } from "./texture.js";

/** @typedef {import("./engine.js").Engine} Engine */
/** @typedef {import("./maps.js").Window} Window */
/** @typedef {{ width: number, height: number, data: Uint8ClampedArray }} Pixels RGBA, rows from the top */
/** @typedef {{ width: number, height: number, pixels: Pixels, latents: FeatureMap[] }} Analysis latents coarse to fine */

const EFFORT = 5; // how widely to search, 1..9: what the model is trained for
/** A sample in [-1, 1], rounded to float32 at each step as Python does. */
const SAMPLES = Float32Array.from({ length: 256 }, (_, value) => 2 * Math.fround(value / 255) - 1);

/**
 * What the encoder network makes of an image; once, whatever the quality.
 * @param {Engine} engine whose model has its encoder loaded
 * @param {Pixels} pixels
 * @returns {Analysis}
 */
export function analyze(engine, pixels) {
  const { levels } = engine.model;
  const whole = wholeWindow(engine.model, pixels);
  const latents = levels.map(({ cell, dim }) => new FeatureMap(whole, cell, dim));
  for (const tile of whole.tiles(TILE)) {
    const linear = engine.analyze(samples(pixels, tile));
    latents.forEach((latent, level) => latent.copy(linear[level], tile));
  }
  /** @type {FeatureMap | null} */
  let finer = null;
  for (let level = levels.length - 1; level >= 0; level--) {
    /** @type {FeatureMap | null} */
    let next = null;
    for (const [tile, window] of windows(engine, `refine ${level}`, whole)) {
      const { correction, coarser } = engine.refine(level, finer?.part(window) ?? samples(pixels, window));
      latents[level].add(correction, tile);
      if (!coarser) continue;
      next ??= new FeatureMap(whole, coarser.cell, coarser.channels);
      next.copy(coarser, tile);
    }
    finer = next;
  }
  return { width: pixels.width, height: pixels.height, pixels, latents };
}

/**
 * Choose the indices of an image at a quality: level by level, against what the decoder predicts.
 * @param {Engine} engine
 * @param {Analysis} analysis
 * @param {number} quality 0..100
 */
export function quantize(engine, analysis, quality) {
  const { model } = engine;
  const header = { width: analysis.width, height: analysis.height, quality };
  const stages = model.codedStages(quality);
  const indices = Array.from({ length: stages }, (_, stage) => {
    const { rows, columns } = gridShape(header.height, header.width, model.prior.cells[stage]);
    return new Uint16Array(rows * columns);
  });
  const descent = new Descent(engine, header, indices);
  /** @type {import("./novelty.js").Energy[]} */
  const energy = model.levels.map(() => ({ rest: 0, whole: 0 }));
  for (let level = 0; level < model.levels.length && model.firstStage(level) < stages; level++) {
    if (level) descent.next();
    energy[level] = search(descent, level, analysis.latents[level]);
  }
  if (model.textureStage >= 0) describe(descent, analysis.pixels);
  return { indices, energy, descent };
}

/**
 * Choose the texture codes of an image, once all levels have theirs, and set them.
 * @param {Descent} descent
 * @param {Pixels} pixels
 */
function describe(descent, pixels) {
  const { model, header, indices, whole } = descent;
  const mean = new FeatureMap(whole, 1, 3);
  for (const { tile, results } of rendered(descent, "render mean")) mean.copy(results.mean, tile);
  mean.values.forEach((value, n) => (mean.values[n] = Math.min(1, Math.max(-1, value))));
  const stage = model.textureStage;
  const lengths = model.codeLengths(stage, header.quality);
  const codes = choose(model.codebooks[stage], lengths, samples(pixels, whole), mean);
  const { rows, columns } = gridShape(header.height, header.width, CELL);
  for (let y = 0; y < rows; y++) {
    const from = (y * whole.width) / CELL;
    indices[stage].set(codes.subarray(from, from + columns), y * columns);
  }
}

/**
 * Search for the codes of a level, and set them.
 * @param {Descent} descent that has met the levels before
 * @param {number} level
 * @param {FeatureMap} latent
 * @returns {import("./novelty.js").Energy}
 */
function search(descent, level, latent) {
  const { engine, model, header, indices } = descent;
  const { cell, dim, stages, codes } = model.levels[level];
  const first = model.firstStage(level);
  const shape = gridShape(header.height, header.width, cell);
  const vectors = difference(latent, descent.predict(), shape);
  const lambda = Math.fround(model.lambdaAt(header.quality));
  const biases = new Float32Array(stages * codes);
  for (let k = 0; k < stages; k++) {
    const lengths = model.codeLengths(first + k, header.quality);
    biases.set(lengths.map((bits) => lambda * bits), k * codes);
  }
  const { level: last } = model.stages[indices.length - 1]; // an optional one makes the search wide
  const halved = model.levels[last].begin ? Math.min(level, 1) : level;
  const width = Math.max(1, Math.round(2 ** ((EFFORT + 1) / 2 - halved)));
  const found = engine.search(level, vectors, biases, width);
  const cells = vectors.length / dim;
  const rest = vectors.slice();
  for (let k = 0; k < stages; k++) {
    const book = model.codebooks[first + k];
    for (let at = 0; at < cells; at++) {
      const code = found[at * stages + k];
      indices[first + k][at] = code;
      for (let d = 0; d < dim; d++) rest[at * dim + d] -= book[code * dim + d];
    }
  }
  return { rest: squares(rest) / cells, whole: squares(vectors) / cells };
}

/**
 * a − b of the cells that the image has, as vectors [rows · columns, channels].
 * @param {FeatureMap} a
 * @param {FeatureMap} b
 * @param {import("./state.js").Shape} shape
 */
function difference(a, b, { rows, columns }) {
  const vectors = new Float32Array(rows * columns * a.channels);
  for (let y = 0, to = 0; y < rows; y++) {
    const first = y * a.columns * a.channels;
    for (let at = first; at < first + columns * a.channels; at++) vectors[to++] = a.values[at] - b.values[at];
  }
  return vectors;
}

/** @param {Float32Array} values */
function squares(values) {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/**
 * The file of an image's codes.
 * @param {import("./model.js").Model} model
 * @param {{ width: number, height: number, quality: number }} about
 * @param {Uint16Array[]} indices
 * @param {Map<string, Uint8Array>} chunks
 */
export function fileOf(model, about, indices, chunks) {
  const header = makeHeader({
    ...about,
    stages: indices.length,
    fingerprint: model.fingerprint,
    major: majorOf(model.prior.cells.length),
  });
  return write({ header, chunks, payload: encodeIndices(indices, model.prior, header) });
}

/**
 * The colours of a window in [-1, 1], the last row and column repeated outside the image.
 * @param {Pixels} pixels
 * @param {Window} window
 */
function samples({ width, height, data }, window) {
  const map = new FeatureMap(window, 1, 3);
  for (let y = 0, to = 0; y < map.rows; y++) {
    const row = Math.min(window.top + y, height - 1) * width;
    for (let x = 0; x < map.columns; x++) {
      const from = 4 * (row + Math.min(window.left + x, width - 1));
      for (let c = 0; c < 3; c++) map.values[to++] = SAMPLES[data[from + c]];
    }
  }
  return map;
}
