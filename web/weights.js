/** Parts of a safetensors file. */

/**
 * A file of some of the tensors of a file.
 * @param {Buffer} data the file
 * @param {(name: string) => boolean} wanted
 * @returns {Buffer}
 */
export function safetensorsPart(data, wanted) {
  const start = 8 + Number(data.readBigUInt64LE());
  const { __metadata__: _, ...tensors } = JSON.parse(data.subarray(8, start).toString());
  /** @type {Record<string, object>} */
  const header = {};
  const parts = [];
  let end = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!wanted(name)) continue;
    const [first, last] = tensor.data_offsets;
    parts.push(data.subarray(start + first, start + last));
    header[name] = { ...tensor, data_offsets: [end, (end += last - first)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}
