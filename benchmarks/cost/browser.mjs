/**
 * What browser.py measures in Node: node browser.mjs WHAT FILE MODEL TURNS prints a list, as JSON.
 * wasm, javascript: seconds of processor time of decoding a file to its indices, of each turn;
 * shares: of realism 0 and 1, the part of the time from indices to pixels that two threads can share.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { compiled } from "../../web/src/compiled.js";
import { Picture } from "../../web/src/decode.js";
import { Engine } from "../../web/src/engine.js";
import { decodeIndices, loadPrior, parse } from "../../web/src/index.js";
import { Kernel } from "../../web/src/kernel.js";
import { Model } from "../../web/src/model.js";

const [what, path, folder, turns] = process.argv.slice(2);

const wasm = (name) => readFileSync(new URL(`../../web/wasm/${name}.wasm`, import.meta.url));
const file = parse(new Uint8Array(readFileSync(path)));

function seconds(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const inTurns = (work) => Array.from({ length: Number(turns) }, work);

/** Seconds of each turn. */
async function contexts() {
  const plain = loadPrior(new Uint8Array(readFileSync(join(folder, "prior.safetensors"))));
  const prior = what === "wasm" ? await compiled(plain, wasm("contexts")) : plain;
  return inTurns(() => seconds(() => decodeIndices(file, prior)));
}

/** A file of the model; the decoder's weights stand in one file with the encoder's here. */
async function readFile(name) {
  const found = join(folder, name === "decoder.safetensors" ? "weights.safetensors" : name);
  if (name === "novelty.json" && !existsSync(found)) return new TextEncoder().encode("null");
  return new Uint8Array(readFileSync(found));
}

/** At realism 0 and 1: the part of decoding from indices to pixels that `Kernel.run` takes. */
async function shares() {
  const model = await Model.load(readFile);
  const engine = await Engine.load(model, await Kernel.load(wasm("networks")));
  const indices = decodeIndices(file, model.prior);
  const { kernel } = engine;
  let inside = 0;
  kernel.run = (...given) => {
    const before = performance.now();
    Kernel.prototype.run.call(kernel, ...given);
    inside += performance.now() - before;
  };
  return [0, 1].map((realism) => {
    const found = inTurns(() => {
      const before = performance.now();
      inside = 0;
      new Picture(engine, file, indices, null).pixels(realism);
      return inside / (performance.now() - before);
    });
    return found.sort()[Math.floor(turns / 2)];
  });
}

console.log(JSON.stringify(await (what === "shares" ? shares() : contexts())));
