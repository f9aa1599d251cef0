/** What a file says of itself, in words. */

/** @type {Record<string, string>} */
const CHUNKS = {
  iccp: "colour profile",
  exif: "Exif",
  xmp_: "XMP",
  meta: "packed metadata",
  alph: "alpha plane",
  Alpl: "alpha plane",
  grey: "grey, one channel",
  gry3: "grey, three channels",
  seed: "seed",
};

/**
 * Pairs of a name and a value.
 * @param {import("./worker.js").About} about
 * @returns {[string, string][]}
 */
export function factsOf({ width, height, bytes, quality, version, model, stages, written, chunks, seed }) {
  const extra = Object.entries(chunks).map(([kind, size]) => {
    const name = CHUNKS[kind] ?? `chunk ${kind}`;
    return size ? `${name} (${size.toLocaleString("en")} bytes)` : name;
  });
  return [
    ["Size", `${width} × ${height} pixels`],
    ["File", `${bytes.toLocaleString("en")} bytes, ${((8 * bytes) / (width * height)).toFixed(3)} bits a pixel`],
    ["Quality", String(quality)],
    ["Stages", stages === written ? String(stages) : `${stages} of ${written}`],
    ["Seed", seed === "0" ? "0 (none is stored)" : seed],
    ["Beside the picture", extra.join(", ") || "nothing"],
    ["Model", model],
    ["Format", version],
  ];
}
