/** The layers in wasm beside the same sums in plain JavaScript. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Kernel } from "../src/kernel.js";
import { Convolution, Linear } from "../src/layers.js";
import { search } from "../src/search.js";

const kernel = await Kernel.load(readFileSync(new URL("../wasm/networks.wasm", import.meta.url)));

let state = 1;
/** Numbers in [-1, 1), the same in every run. */
function numbers(count) {
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function placed(rows, columns, channels, values = numbers(rows * columns * channels)) {
  return { place: { at: kernel.put(values), rows, columns, channels }, values };
}

function valuesAt({ at, rows, columns, channels }) {
  return kernel.floats(at, rows * columns * channels).slice();
}

function assertNear(found, expected) {
  assert.equal(found.length, expected.length);
  found.forEach((value, n) => assert.ok(Math.abs(value - expected[n]) < 1e-4, `${n}: ${value}, ${expected[n]}`));
}

/** Sums of a 3×3 convolution, [rows, columns, outputs]. */
function convolved(values, { rows, columns, channels }, weight, bias) {
  const out = [];
  const at = (y, x, i) => {
    const inside = y >= 0 && y < rows && x >= 0 && x < columns;
    return inside ? values[(y * columns + x) * channels + i] : 0;
  };
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let o = 0; o < bias.length; o++) {
        let sum = bias[o];
        for (let n = 0; n < 9 * channels; n++) {
          const [i, dy, dx] = [Math.floor(n / 9), Math.floor((n % 9) / 3) - 1, (n % 3) - 1];
          sum += weight[o * 9 * channels + n] * at(y + dy, x + dx, i);
        }
        out.push(sum);
      }
    }
  }
  return out;
}

for (const [rows, columns, inputs, outputs] of [[1, 1, 4, 4], [4, 8, 8, 12], [13, 7, 12, 8], [30, 31, 4, 20]]) {
  test(`a convolution of ${rows}x${columns} places, ${inputs} to ${outputs} channels`, () => {
    const { place, values } = placed(rows, columns, inputs);
    const [weight, bias] = [numbers(9 * inputs * outputs), numbers(outputs)];
    const layer = new Convolution(kernel, weight, bias);
    const sums = convolved(values, place, weight, bias);
    assertNear(valuesAt(layer.run(place)), sums);
    const [scale, shift] = [numbers(outputs), numbers(outputs)];
    const { place: onto, values: before } = placed(rows, columns, outputs);
    layer.run(place, { scale: kernel.put(scale), shift: kernel.put(shift), rectify: true, onto });
    const expected = sums.map((sum, n) => {
      const o = n % outputs;
      return before[n] + Math.max(0, scale[o] * (sum - bias[o]) + shift[o]);
    });
    assertNear(valuesAt(onto), expected);
  });
}

for (const { down = 1, up = 1 } of [{}, { down: 2 }, { up: 2 }, { down: 4 }, { up: 4 }]) {
  test(`a linear layer, squares of ${down} to squares of ${up}`, () => {
    const [rows, columns, inputs, outputs] = [3, 5, 3, 4];
    const { place, values } = placed(rows * down, columns * down, inputs);
    const [height, width] = [outputs * up * up, inputs * down * down];
    const [weight, bias] = [numbers(height * width), numbers(height)];
    const layer = new Linear(kernel, { weight, bias, inputs, outputs, down, up });
    const { place: onto, values: expected } = placed(rows * up, columns * up, outputs);
    for (let o = 0; o < height; o++) {
      const [c, i, j] = [Math.floor(o / up / up), Math.floor(o / up) % up, o % up];
      for (let at = 0; at < rows * columns; at++) {
        const [y, x] = [Math.floor(at / columns), at % columns];
        let sum = bias[o];
        for (let k = 0; k < width; k++) {
          const [d, v, h] = [Math.floor(k / down / down), Math.floor(k / down) % down, k % down];
          sum += weight[o * width + k] * values[((y * down + v) * columns * down + x * down + h) * inputs + d];
        }
        expected[((y * up + i) * columns * up + x * up + j) * outputs + c] += sum;
      }
    }
    assertNear(valuesAt(layer.run(place, onto)), expected);
  });
}

test("the channels of a layer are a multiple of 4, or there is a sentence", () => {
  const given = { weight: numbers(18), inputs: 3, outputs: 6 };
  assert.throws(() => new Linear(kernel, given), /has 6 channels, expected a multiple of 4/);
});

test("a search that keeps all sums finds the best one of all", () => {
  const [codes, dim, count] = [5, 4, 7];
  const books = [numbers(codes * dim), numbers(codes * dim)];
  const [vectors, biases] = [numbers(count * dim), numbers(2 * codes)];
  const found = search(kernel, vectors, books, biases, codes);
  const cost = (n, a, b) => {
    let sum = biases[a] + biases[codes + b];
    for (let d = 0; d < dim; d++) {
      sum += (vectors[n * dim + d] - books[0][a * dim + d] - books[1][b * dim + d]) ** 2;
    }
    return sum;
  };
  for (let n = 0; n < count; n++) {
    const all = Array.from({ length: codes ** 2 }, (_, k) => cost(n, Math.floor(k / codes), k % codes));
    assert.ok(cost(n, ...found.subarray(2 * n, 2 * n + 2)) <= Math.min(...all) + 1e-5);
  }
});

test("what work takes of the memory is given back", () => {
  const before = kernel.top;
  kernel.aside(() => kernel.put(numbers(100)));
  assert.equal(kernel.top, before);
});
