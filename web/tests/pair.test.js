/** Two threads give what one gives, and both do work. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";

import { Kernel } from "../src/kernel.js";
import { Convolution, Linear } from "../src/layers.js";

const wasm = (name) => readFileSync(new URL(`../wasm/${name}.wasm`, import.meta.url));
const HELPER = `
  import { workerData } from "node:worker_threads";
  import { help } from ${JSON.stringify(new URL("../src/pair.js", import.meta.url).href)};
  help(workerData);
`;
const address = new URL(`data:text/javascript,${encodeURIComponent(HELPER)}`);
const workers = [];
const start = (workerData) => workers.push(new Worker(address, { workerData }));
const [one, two, alone] = [
  await Kernel.load(wasm("networks")),
  await Kernel.shared(wasm("networks-shared"), start),
  await Kernel.shared(wasm("networks-shared"), () => {}), // its helper never comes
];
after(() => workers.forEach((worker) => worker.terminate()));

const numbers = (count) => Float32Array.from({ length: count }, (_, n) => Math.sin(n * n));

function convolved(kernel, rows, columns, inputs, outputs) {
  return kernel.aside(() => {
    const layer = new Convolution(kernel, numbers(9 * inputs * outputs), numbers(outputs));
    const place = { at: kernel.put(numbers(rows * columns * inputs)), rows, columns, channels: inputs };
    return kernel.floats(layer.run(place).at, rows * columns * outputs).slice();
  });
}

function multiplied(kernel, rows, columns, inputs, outputs) {
  return kernel.aside(() => {
    const layer = new Linear(kernel, { weight: numbers(4 * inputs * outputs), inputs, outputs, up: 2 });
    const place = { at: kernel.put(numbers(rows * columns * inputs)), rows, columns, channels: inputs };
    return kernel.floats(layer.run(place).at, 4 * rows * columns * outputs).slice();
  });
}

for (const shape of [[1, 1, 4, 4], [3, 50, 8, 12], [61, 47, 4, 20], [160, 130, 16, 8]]) {
  test(`layers of ${shape} are equal to the last bit`, () => {
    for (const layer of [convolved, multiplied]) {
      const expected = layer(one, ...shape);
      assert.deepEqual(layer(two, ...shape), expected);
      assert.deepEqual(layer(alone, ...shape), expected);
    }
  });
}

test("the other thread takes part", async () => {
  while (!two.helped) {
    convolved(two, 160, 160, 16, 16);
    await new Promise((go) => setTimeout(go, 1)); // Node starts a thread between two tasks
  }
  assert.equal(alone.helped, false);
});
