/**
 * npm run build: a folder that any static host serves.
 *
 * node build.js [MODEL] [FOLDER]: the model's folder, with its graphs (the packaged one), and where to
 * write to (dist). Prints what a first visit loads.
 */

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { join } from "node:path";
import { build } from "esbuild";

import { safetensorsPart } from "./weights.js";

const HERE = import.meta.dirname;
const [model = join(HERE, "../codec/models/default"), target = join(HERE, "dist")] = process.argv.slice(2);
const MANIFEST = "graphs/graphs.json";
const ENCODER = "encoder.safetensors"; // fetched when somebody encodes

const SHARED = "networks-shared.wasm"; // fetched instead of networks.wasm on pages that are isolated

const gzipped = (/** @type {Uint8Array} */ data) => gzipSync(data, { level: 9 });

/**
 * The files of a model that a page fetches, by their names there.
 * @returns {Record<string, Buffer>}
 */
function modelFiles() {
  const read = (/** @type {string} */ name) => readFileSync(join(model, name));
  const weights = read("weights.safetensors");
  const isEncoder = (/** @type {string} */ name) => name.startsWith("encoder.");
  /** @type {Record<string, Buffer>} */
  const files = {
    "config.json": read("config.json"),
    [MANIFEST]: read(MANIFEST),
    "prior.safetensors": read("prior.safetensors"),
    "novelty.json": Buffer.from("null"), // of a model that has none
    "decoder.safetensors": safetensorsPart(weights, (name) => !isEncoder(name)),
    [ENCODER]: safetensorsPart(weights, isEncoder),
  };
  for (const name of ["novelty.json", "detail.safetensors"]) {
    if (existsSync(join(model, name))) files[name] = read(name);
  }
  return files;
}

/**
 * @param {Record<string, string>} entryPoints
 * @param {Record<string, string>} define
 */
async function bundled(entryPoints, define = {}) {
  const { outputFiles } = await build({
    entryPoints,
    absWorkingDir: HERE,
    outdir: target,
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    define,
    logLevel: "warning",
  });
  return outputFiles.map(({ path, contents }) => ({ path, contents }));
}

if (!existsSync(join(model, MANIFEST))) {
  console.error(`${model} has no graphs: python -m codec.models.export ${model} writes them`);
  process.exit(1);
}
const files = modelFiles();
for (const name of ["contexts.wasm", "networks.wasm", SHARED]) files[name] = readFileSync(join(HERE, "wasm", name));
/** What is in a folder whose name changes with it. @type {[string, Uint8Array][]} */
const kept = Object.entries(files).map(([name, data]) => [`${name}.gz`, gzipped(data)]);
const [{ contents: worker }] = await bundled({ worker: "src/worker.js" });
kept.push(["worker.js", worker]);
const hash = createHash("sha256");
for (const [, data] of kept) hash.update(data);
const folder = `build-${hash.digest("hex").slice(0, 12)}`;
const scripts = await bundled(
  { "bibc-image": "src/element.js", page: "src/page.js", "service-worker": "src/service-worker.js" },
  { BUILD: JSON.stringify(folder) },
);

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, folder, "graphs"), { recursive: true });
for (const [name, data] of kept) writeFileSync(join(target, folder, name), data);
for (const { path, contents } of scripts) writeFileSync(path, contents);
cpSync(join(HERE, "index.html"), join(target, "index.html"));
cpSync(join(HERE, "src/page.css"), join(target, "page.css"));

const loaded = kept.filter(([name]) => !name.startsWith(ENCODER) && !name.startsWith(SHARED));
const sizes = loaded.map(([name, data]) => (name.endsWith(".gz") ? data : gzipped(data)).length);
const bytes = sizes.reduce((a, b) => a + b) + gzipped(readFileSync(join(target, "bibc-image.js"))).length;
console.log(`a first visit of a page with pictures loads ${bytes} bytes, text gzipped`);
for (const [n, [name]] of loaded.entries()) console.log(`${String(sizes[n]).padStart(10)} ${name}`);
