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
const FOR_DECODING = /^(embed|update_\d+|extend_\d+|synthesize|render|detail)\.onnx$|^graphs\.json$/;

/**
 * The weights without those of the encoder, which no decoder reads: zeros, which gzip takes away. All
 * others stay where the graphs look for them.
 * @param {Buffer} data
 */
function forDecoding(data) {
  const start = 8 + Number(data.readBigUInt64LE());
  const header = JSON.parse(data.subarray(8, start).toString());
  for (const [name, { data_offsets: [first, last] }] of Object.entries(header)) {
    if (name.startsWith("encoder.")) data.fill(0, start + first, start + last);
  }
  return data;
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
const graphs = readdirSync(join(model, "graphs")).filter((name) => FOR_DECODING.test(name));
const names = ["config.json", "prior.safetensors", "weights.safetensors", "detail.safetensors"];
const files = [...names, ...graphs.map((name) => `graphs/${name}`)];
const packed = files.filter((name) => existsSync(join(model, name))).map((name) => {
  const data = readFileSync(join(model, name));
  return [name, gzipSync(name === "weights.safetensors" ? forDecoding(data) : data, { level: 9 })];
});
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
