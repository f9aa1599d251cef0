/** Tensors by name, as the safetensors format stores them. */

import { CodecError } from "./errors.js";

/** Element types of a file, and what holds them; others are not for this package. */
const ARRAYS = {
  I8: Int8Array,
  U8: Uint8Array,
  I16: Int16Array,
  U16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Uint16Array, // their bits
  F32: Float32Array,
};

/** @typedef {Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array} Values */
/** @typedef {{ dtype: string, shape: number[], values: Values }} Tensor */

/**
 * Read a file; the tensors' values are copies.
 * @param {Uint8Array} data
 * @param {string} name of the file, for errors
 * @returns {{ tensors: Map<string, Tensor>, metadata: Record<string, string> }}
 */
export function readSafetensors(data, name) {
  try {
    const { __metadata__: metadata = {}, ...entries } = readHeader(data);
    const start = 8 + headerLength(data);
    const tensors = Object.entries(entries).map(([key, entry]) => {
      return /** @type {[string, Tensor]} */ ([key, readTensor(data.subarray(start), key, entry)]);
    });
    return { tensors: new Map(tensors), metadata };
  } catch (error) {
    const reason = /** @type {Error} */ (error).message;
    throw new CodecError(`${name} is not a safetensors file: ${reason}`);
  }
}

/** @param {Uint8Array} data */
function headerLength(data) {
  if (data.length < 8) throw new RangeError("it has fewer than 8 bytes");
  const view = new DataView(data.buffer, data.byteOffset);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > data.length - 8) throw new RangeError("it ends inside its header");
  return length;
}

/** @param {Uint8Array} data */
function readHeader(data) {
  const text = new TextDecoder().decode(data.subarray(8, 8 + headerLength(data)));
  const header = JSON.parse(text);
  if (typeof header !== "object" || !header) throw new TypeError("its header is no object");
  return header;
}

/**
 * @param {Uint8Array} data behind the header
 * @param {string} key
 * @param {{ dtype: keyof typeof ARRAYS, shape: number[], data_offsets: [number, number] }} entry
 * @returns {Tensor}
 */
function readTensor(data, key, { dtype, shape, data_offsets: [first, last] }) {
  const Values = ARRAYS[dtype];
  if (!Values) throw new TypeError(`tensor ${key} is ${dtype}`);
  const bytes = shape.reduce((product, side) => product * side, Values.BYTES_PER_ELEMENT);
  if (!(first >= 0 && last <= data.length && last - first === bytes)) {
    throw new RangeError(`tensor ${key} has ${last - first} bytes at ${first}, expected ${bytes}`);
  }
  return { dtype, shape, values: new Values(data.slice(first, last).buffer) };
}
