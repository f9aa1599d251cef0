/**
 * npm run wasm: compiles the C anew, by clang and lld (Debian: packages clang and lld). What it makes is
 * committed, so that a build needs no compiler; `tests/wasm.test.js` compares it with its sources.
 */

import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HERE = import.meta.dirname;
const NATIVE = join(HERE, "../../bitstream/native");
const SOURCES = [
  ...["entropy.c", "entropy.h", "vectors.h"].map((name) => join(NATIVE, name)),
  ...["networks.c", "string.h"].map((name) => join(HERE, name)),
];
const NETWORKS = {
  source: join(HERE, "networks.c"),
  functions: ["widen", "multiply", "packed_size", "pack", "convolve", "spread"],
};
/** For two threads: the memory, of 2 GiB at the most, is given, and each thread sets its stack. */
const SHARED = [
  ...["-matomics", "-mmutable-globals", "-Wl,--export=__stack_pointer"],
  ...["-Wl,--import-memory", "-Wl,--shared-memory", `-Wl,--max-memory=${2 ** 31}`],
];
/**
 * The contexts and the entropy coder, and the networks' layers: what is compiled, how, and its functions.
 * The contexts' loops are short: unrolled they take as long, and the browser longer to compile them.
 */
const MODULES = {
  contexts: {
    source: join(NATIVE, "entropy.c"),
    flags: ["-fno-unroll-loops"],
    functions: [
      ...["stage_size", "stage_pack", "image_size", "image_begin", "tables_scratch", "tables"],
      ...["put", "take", "add", "coder_scratch", "read", "write"],
    ],
  },
  networks: { ...NETWORKS, flags: [] },
  "networks-shared": { ...NETWORKS, flags: SHARED },
};

/** SHA-256 of all sources. */
export function hashOfSources() {
  const hash = createHash("sha256");
  for (const path of SOURCES) hash.update(readFileSync(path));
  return hash.digest("hex");
}

/** The first line that clang says of its version; null if there is no clang. */
export function compiler() {
  try {
    return execFileSync("clang", ["--version"], { encoding: "utf8" }).split("\n")[0];
  } catch {
    return null;
  }
}

/**
 * Compile a module.
 * @param {keyof typeof MODULES} name
 * @returns {Buffer}
 */
export function compile(name) {
  const { source, flags: own, functions } = MODULES[name];
  const folder = mkdtempSync(join(tmpdir(), "wasm-"));
  const target = join(folder, "module.wasm");
  const flags = [
    ...["--target=wasm32", "-std=c11", "-O3", "-msimd128", "-mbulk-memory", "-nostdlib", "-I", HERE, ...own],
    ...["-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--export=__heap_base"],
    ...functions.map((name) => `-Wl,--export=bibc_${name}`),
  ];
  try {
    execFileSync("clang", [...flags, source, "-o", target], { stdio: "inherit" });
    return readFileSync(target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  for (const name of Object.keys(MODULES)) writeFileSync(join(HERE, `${name}.wasm`), compile(name));
  const built = { compiler: compiler(), sources: hashOfSources() };
  writeFileSync(join(HERE, "built.json"), `${JSON.stringify(built, null, 1)}\n`);
}
