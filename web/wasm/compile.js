/** The contexts of `bitstream/native` as wasm, by clang and lld (Debian: packages clang and lld). */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const HERE = import.meta.dirname;
const SOURCE = join(HERE, "../../bitstream/native/entropy.c");
const EXPORTS = [
  ...["stage_size", "stage_pack", "image_size", "image_begin", "tables_scratch", "tables"],
  ...["put", "take", "add", "coder_scratch", "read", "write"],
].map((name) => `bibc_${name}`);

/**
 * Compile them.
 * @returns {Buffer | null} null if there is no clang, or it lacks a linker for wasm
 */
export function compileContexts() {
  const folder = mkdtempSync(join(tmpdir(), "contexts-"));
  const target = join(folder, "contexts.wasm");
  const flags = [
    ...["--target=wasm32", "-std=c11", "-O3", "-msimd128", "-mbulk-memory", "-nostdlib", "-I", HERE],
    ...["-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--export=__heap_base"],
    ...EXPORTS.map((name) => `-Wl,--export=${name}`),
  ];
  try {
    execFileSync("clang", [...flags, SOURCE, "-o", target], { stdio: "pipe" });
    return readFileSync(target);
  } catch (error) {
    if (error.code === "ENOENT" || /wasm-ld/.test(error.stderr)) return null;
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
