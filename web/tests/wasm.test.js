/** The committed wasm is what its sources say. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { compile, compiler, hashOfSources } from "../wasm/compile.js";

const WASM = join(import.meta.dirname, "../wasm");
const built = JSON.parse(readFileSync(join(WASM, "built.json"), "utf8"));

test("it was compiled from the sources that are here", () => {
  assert.equal(hashOfSources(), built.sources, "npm run wasm compiles it anew");
});

if (compiler() === built.compiler) {
  for (const name of ["contexts", "networks", "networks-shared"]) {
    test(`the same compiler makes the same ${name}.wasm`, () => {
      assert.deepEqual(compile(name), readFileSync(join(WASM, `${name}.wasm`)));
    });
  }
}
