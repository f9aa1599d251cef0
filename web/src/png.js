/** PNG files: to save a picture, and to let the browser manage the colours of its ICC profile. */

import { joined } from "./bytes.js";
import { crc32 } from "./checksums.js";
import { deflated } from "./streams.js";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);

/**
 * A PNG file of a picture, 8 bits RGBA.
 * @param {ImageData} image
 * @param {Uint8Array | null} [profile] ICC
 * @returns {Promise<Blob>}
 */
export async function pngOf({ width, height, data }, profile = null) {
  const rows = new Uint8Array(height * (4 * width + 1)); // each begins with its filter, none
  for (let y = 0; y < height; y++) {
    rows.set(data.subarray(4 * width * y, 4 * width * (y + 1)), y * (4 * width + 1) + 1);
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 6, 0, 0, 0], 8); // 8 bits, RGBA
  const parts = [SIGNATURE, chunk("IHDR", head)];
  if (profile) {
    const name = new TextEncoder().encode("ICC profile\0\0"); // then compression method 0
    parts.push(chunk("iCCP", joined(name, await deflated(profile))));
  }
  parts.push(chunk("IDAT", await deflated(rows)), chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

/**
 * @param {string} kind
 * @param {Uint8Array} data
 */
function chunk(kind, data) {
  const body = joined(new TextEncoder().encode(kind), data);
  const ends = new DataView(new ArrayBuffer(8));
  ends.setUint32(0, data.length);
  ends.setUint32(4, crc32(body));
  const [length, crc] = [0, 4].map((at) => new Uint8Array(ends.buffer, at, 4));
  return joined(length, body, crc);
}
