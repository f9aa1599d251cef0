import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { noise } from "../src/index.js";

const fields = JSON.parse(readFileSync(new URL("noise.json", import.meta.url), "utf8"));

for (const { seed, plane, top, left, sha256, ...shape } of fields) {
  test(`noise of seed ${seed} equals that of codec/runtime/noise.py`, () => {
    const values = noise(BigInt(seed), plane, { top, left }, shape);
    const size = shape.rows * shape.columns;
    const planes = values.map((_, n) => values[(n % size) * shape.channels + Math.floor(n / size)]);
    assert.equal(createHash("sha256").update(new Uint8Array(planes.buffer)).digest("hex"), sha256);
  });
}

test("a crop sees the noise of the whole", () => {
  const whole = noise(7n, 8, { top: 0, left: 0 }, { channels: 3, rows: 6, columns: 6 });
  const crop = noise(7n, 8, { top: 3, left: 1 }, { channels: 3, rows: 2, columns: 5 });
  for (let y = 0; y < 2; y++) {
    const at = ((y + 3) * 6 + 1) * 3;
    assert.deepEqual(crop.slice(y * 15, (y + 1) * 15), whole.slice(at, at + 15));
  }
});
