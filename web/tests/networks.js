/**
 * A photo to a file and a file to pixels, by the graphs of a model's folder. Needs the npm packages.
 *
 * node networks.js MODEL FOLDER: FOLDER has photo.json {width, height, quality}, photo.rgba, and
 * given.bibc, which another encoder wrote; made.bibc, pixels_0.rgba and pixels_1.rgba (given.bibc at
 * realism 0 and 1) come beside them.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { Picture } from "../src/decode.js";
import { analyze, fileOf, quantize } from "../src/encode.js";
import { Engine } from "../src/engine.js";
import { decodeIndices, parse } from "../src/index.js";
import { Model } from "../src/model.js";

const [model, folder] = process.argv.slice(2);
const read = (name) => new Uint8Array(readFileSync(join(folder, name)));
const INSTEAD = { "novelty.json": "null", "encoder.weights": "" }; // the weights hold the encoder's

async function readFile(name) {
  const path = join(model, name);
  const text = INSTEAD[name];
  if (text !== undefined && !existsSync(path)) return new TextEncoder().encode(text);
  return new Uint8Array(readFileSync(path));
}

const loaded = await Model.load(readFile);
await loaded.loadWeights();
await loaded.loadEncoder();
const engine = new Engine(loaded);
const about = JSON.parse(readFileSync(join(folder, "photo.json"), "utf8"));
const analysis = await analyze(engine, { ...about, data: read("photo.rgba") });
const { indices } = await quantize(engine, analysis, about.quality);
writeFileSync(join(folder, "made.bibc"), fileOf(loaded, about, indices, new Map()));
const file = parse(read("given.bibc"));
const picture = new Picture(engine, file, decodeIndices(file, loaded.prior), null);
for (const realism of [0, 1]) {
  writeFileSync(join(folder, `pixels_${realism}.rgba`), await picture.pixels(realism));
}
