/** A photo that a person gives: its pixels in sRGB, and what the codec keeps beside its colours. */

import { packAlpha } from "./alpha.js";
import { PAGE_LIMITS } from "./container.js";
import { CodecError, LimitExceeded } from "./errors.js";

/** @typedef {import("./encode.js").Pixels} Pixels */

/**
 * The pixels of an image file of any kind that the browser shows, upright and in sRGB.
 * @param {Blob} photo
 * @returns {Promise<Pixels>}
 */
export async function pixelsOf(photo) {
  const bitmap = await createImageBitmap(photo).catch(() => {
    throw new CodecError("not an image that this browser can show");
  });
  const { width, height } = bitmap;
  if (width * height > PAGE_LIMITS.maxPixels) {
    throw new LimitExceeded(
      `the image is ${width}x${height}; the limit in a page is ${PAGE_LIMITS.maxPixels} pixels`,
    );
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new CodecError("this browser gives no canvas");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}

/**
 * The chunks of a file of these pixels: alpha, unless all is opaque, and whether there is no colour.
 * @param {Pixels} pixels
 */
export async function chunksOf({ width, height, data }) {
  let [grey, opaque] = [true, true];
  const alpha = new Uint8Array(width * height);
  for (let at = 0; at < data.length; at += 4) {
    grey &&= data[at] === data[at + 1] && data[at] === data[at + 2];
    opaque &&= data[at + 3] === 255;
    alpha[at / 4] = data[at + 3];
  }
  /** @type {Map<string, Uint8Array>} */
  const chunks = new Map();
  if (grey) chunks.set("gry3", new Uint8Array(0));
  if (!opaque) chunks.set("alph", await packAlpha(alpha, width));
  return chunks;
}
