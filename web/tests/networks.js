/**
 * A photo to a file and a file to pixels, by the networks of a model's folder.
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
import { Kernel } from "../src/kernel.js";
import { Model } from "../src/model.js";

const [model, folder] = process.argv.slice(2);
const read = (name) => new Uint8Array(readFileSync(join(folder, name)));
const WHOLE = ["decoder.safetensors", "encoder.safetensors"]; // the build makes them of one file

async function readFile(name) {
  const path = join(model, WHOLE.includes(name) ? "weights.safetensors" : name);
  if (name === "novelty.json" && !existsSync(path)) return new TextEncoder().encode("null");
  return new Uint8Array(readFileSync(path));
}

const loaded = await Model.load(readFile);
const wasm = readFileSync(new URL("../wasm/networks.wasm", import.meta.url));
const engine = await Engine.load(loaded, await Kernel.load(wasm));
await engine.loadEncoder();
const about = JSON.parse(readFileSync(join(folder, "photo.json"), "utf8"));
const analysis = analyze(engine, { ...about, data: read("photo.rgba") });
const { indices } = quantize(engine, analysis, about.quality);
writeFileSync(join(folder, "made.bibc"), fileOf(loaded, about, indices, new Map()));
const file = parse(read("given.bibc"));
const picture = new Picture(engine, file, decodeIndices(file, loaded.prior), null);
for (const realism of [0, 1]) {
  writeFileSync(join(folder, `pixels_${realism}.rgba`), picture.pixels(realism));
}
