/**
 * npm run build: a folder that any static host serves.
 *
 * node build.js [MODEL] [FOLDER]: the model's folder, with its graphs (the packaged one), and where to
 * write to (dist).
 */

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build } from "esbuild";

import { compileContexts } from "./wasm/compile.js";

const HERE = import.meta.dirname;
const [model = join(HERE, "../codec/models/default"), target = join(HERE, "dist")] = process.argv.slice(2);
const WEIGHTS = "weights.safetensors";
const NOVELTY = "novelty.json"; // null where the model has none
const FILES = ["config.json", "prior.safetensors", "detail.safetensors"];

/**
 * The weights in two files of their length, which the page fetches when it needs them: for decoding,
 * zeros where the encoder's are, and those of the encoder, zeros where all others are. Each byte stays
 * where the graphs look for it, and gzip takes the zeros away.
 * @param {Buffer} all
 * @returns {[string, Buffer][]}
 */
function weightFiles(all) {
  const encoder = Buffer.alloc(all.length);
  const start = 8 + Number(all.readBigUInt64LE());
  const header = JSON.parse(all.subarray(8, start).toString());
  for (const [name, { data_offsets: [first, last] }] of Object.entries(header)) {
    if (!name.startsWith("encoder.")) continue;
    all.copy(encoder, start + first, start + first, start + last);
    all.fill(0, start + first, start + last);
  }
  return [[WEIGHTS, all], ["encoder.weights", encoder]];
}

function readRuntime() {
  const folder = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm"));
  return readFileSync(join(folder, "ort-wasm-simd-threaded.wasm"));
}

function buildContexts() {
  const data = compileContexts();
  if (!data) console.warn("no clang with wasm-ld: contexts stay JavaScript, which is slower");
  return data;
}

if (!existsSync(join(model, "graphs", "graphs.json"))) {
  console.error(`${model} has no graphs: python -m codec.models.export ${model} writes them`);
  process.exit(1);
}
rmSync(target, { recursive: true, force: true });
const graphs = readdirSync(join(model, "graphs")).map((name) => `graphs/${name}`);
const files = [...FILES, ...graphs].filter((name) => existsSync(join(model, name)));
const packed = [
  ...files.map((name) => [name, readFileSync(join(model, name))]),
  [NOVELTY, existsSync(join(model, NOVELTY)) ? readFileSync(join(model, NOVELTY)) : "null"],
  ...weightFiles(readFileSync(join(model, WEIGHTS))),
].map(([name, data]) => [name, gzipSync(data, { level: 9 })]);
packed.push(["onnxruntime.wasm", gzipSync(readRuntime(), { level: 9 })]);
const contexts = buildContexts();
if (contexts) packed.push(["contexts.wasm", gzipSync(contexts, { level: 9 })]);
const hash = createHash("sha256");
for (const [, data] of packed) hash.update(data);
const folder = `model-${hash.digest("hex").slice(0, 12)}/`;
mkdirSync(join(target, folder, "graphs"), { recursive: true });
for (const [name, data] of packed) writeFileSync(join(target, folder, `${name}.gz`), data);

await build({
  entryPoints: { "bibc-image": "src/element.js", page: "src/page.js", worker: "src/worker.js" },
  absWorkingDir: HERE,
  outdir: target,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  define: {
    MODEL_FOLDER: JSON.stringify(folder),
    CONTEXTS_FILE: JSON.stringify(contexts ? "contexts.wasm" : ""),
  },
  logLevel: "warning",
});
cpSync(join(HERE, "index.html"), join(target, "index.html"));
cpSync(join(HERE, "src/page.css"), join(target, "page.css"));
