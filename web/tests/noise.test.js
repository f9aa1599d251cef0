import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { noise } from "../src/index.js";

const fields = JSON.parse(readFileSync(new URL("noise.json", import.meta.url), "utf8"));

for (const { seed, plane, top, left, sha256, ...shape } of fields) {
  test(`noise of seed ${seed} equals that of codec/runtime/noise.py`, () => {
    const values = noise(BigInt(seed), plane, { top, left }, shape);
    assert.equal(createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex"), sha256);
  });
}

test("a crop sees the noise of the whole", () => {
  const whole = noise(7n, 8, { top: 0, left: 0 }, { channels: 3, rows: 6, columns: 6 });
  const crop = noise(7n, 8, { top: 3, left: 1 }, { channels: 3, rows: 2, columns: 5 });
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < 2; y++) {
      const at = (c * 6 + y + 3) * 6 + 1;
      assert.deepEqual(crop.slice((c * 2 + y) * 5, (c * 2 + y + 1) * 5), whole.slice(at, at + 5));
    }
  }
});
