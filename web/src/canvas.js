/** Pixels of a decoded file on a canvas, in the colours of its profile. */

import { pngOf } from "./png.js";

/**
 * Draw a picture; the canvas takes its size.
 * @param {HTMLCanvasElement} canvas that nothing was drawn on before, or this function only
 * @param {ImageData} image
 * @param {Uint8Array | null} profile ICC of the pixels; null is sRGB
 */
export async function draw(canvas, image, profile) {
  const wide = profile && matchMedia("(color-gamut: p3)").matches;
  const context = canvas.getContext("2d", { colorSpace: wide ? "display-p3" : "srgb" });
  if (!context) throw new Error("this browser gives no canvas");
  const converted = profile ? await inProfile(image, profile) : null; // waits before it clears
  [canvas.width, canvas.height] = [image.width, image.height];
  if (converted) context.drawImage(converted, 0, 0);
  else context.putImageData(image, 0, 0);
}

/**
 * The browser converts the colours of a PNG file that has the profile. Null if it cannot read that.
 * @param {ImageData} image
 * @param {Uint8Array} profile
 */
async function inProfile(image, profile) {
  try {
    return await createImageBitmap(await pngOf(image, profile));
  } catch {
    return null;
  }
}
