/** Pixels of a decoded file on a canvas, in wide colours where the screen has them. */

/**
 * Draw a picture; the canvas takes its size.
 * @param {HTMLCanvasElement} canvas that nothing was drawn on before, or this function only
 * @param {ImageData | ImageBitmap} image
 * @param {boolean} hasProfile whether its colours may be outside of sRGB
 */
export function draw(canvas, image, hasProfile) {
  const wide = hasProfile && matchMedia("(color-gamut: p3)").matches;
  const context = canvas.getContext("2d", { colorSpace: wide ? "display-p3" : "srgb" });
  if (!context) throw new Error("this browser gives no canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  if (image instanceof ImageData) {
    context.putImageData(image, 0, 0);
    return;
  }
  context.drawImage(image, 0, 0);
  image.close();
}
