import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { FeatureMap, Window } from "../src/maps.js";
import { DIM, choose, textureMap } from "../src/texture.js";

const given = JSON.parse(readFileSync(new URL("texture.json", import.meta.url), "utf8"));
const book = Float32Array.from(given.book.flat());

/** The picture of the JSON file, on a mean of zero. */
function picture() {
  const x = new FeatureMap(new Window(0, 0, 64, 96), 1, 3);
  for (let row = 0, n = 0; row < 64; row++) {
    for (let column = 0; column < 96; column++) {
      for (let c = 0; c < 3; c++, n++) {
        const strength = given.strengths[Math.floor(row / 32)][Math.floor(column / 32)];
        const value = (31 * column + 17 * row * (c + 1) + row * column) % (strength + 1);
        x.values[n] = (value - Math.floor(strength / 2)) / 127.5;
      }
    }
  }
  return x;
}

test("texture codes equal those of codec/runtime/texture.py", () => {
  const x = picture();
  const codes = choose(book, Float32Array.from(given.lengths), x, new FeatureMap(x.window, 1, 3));
  assert.deepEqual([...codes], given.codes.flat());
});

test("a texture map has the centroids of the codes, and unknown outside", () => {
  const grid = Uint16Array.from(given.codes.flat());
  const map = textureMap(book, grid, { height: 64, width: 96 }, new Window(24, 64, 72, 136));
  const codeAt = (row, column) => {
    const at = (row * map.columns + column) * DIM;
    const values = map.values.subarray(at, at + DIM);
    return given.book.findIndex((centroid) => centroid.every((value, d) => Math.fround(value) === values[d]));
  };
  assert.deepEqual([map.rows, map.columns], [6, 9]);
  assert.equal(codeAt(0, 0), given.codes[0][2]);
  assert.equal(codeAt(1, 3), given.codes[1][2]);
  assert.equal(codeAt(0, 4), 0);
  assert.equal(codeAt(5, 0), 0);
});
