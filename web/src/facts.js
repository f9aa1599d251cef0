/** What a file says of itself, in words. */

import { UNUSUAL } from "./novelty.js";

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
function factsOf(about) {
  const { width, height, bytes, quality, version, model, stages, written, chunks, seed } = about;
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
    ["Novelty", noveltyOf(about.novelty)],
    ["Beside the picture", extra.join(", ") || "nothing"],
    ["Model", model],
    ["Format", version],
  ];
}

/** @param {number | null} percentile */
function noveltyOf(percentile) {
  if (percentile === null) return "not known: it needs a whole picture of 256 pixels a side or more";
  const place = `percentile ${percentile.toFixed(1)} of photographs`;
  if (percentile < UNUSUAL) return place;
  return `${place}: unusual; synthesised detail may be wrong, consider realism 0.3`;
}

/**
 * A row for each fact.
 * @param {import("./worker.js").About} about
 */
export function factRows(about) {
  return factsOf(about).map(([name, value]) => {
    const row = document.createElement("tr");
    const [head, cell] = [document.createElement("th"), document.createElement("td")];
    head.scope = "row";
    [head.textContent, cell.textContent] = [name, value];
    row.append(head, cell);
    return row;
  });
}

/**
 * An item with a bar for each stage.
 * @param {number[]} sizes bytes of each
 */
export function stageItems(sizes) {
  const most = Math.max(...sizes, 1);
  return sizes.map((bytes, stage) => {
    const item = document.createElement("li");
    const [name, bar, value] = ["span", "i", "span"].map((tag) => document.createElement(tag));
    name.textContent = `Stage ${stage + 1}`;
    bar.style.width = `${(100 * bytes) / most}%`;
    value.textContent = `${bytes} bytes`;
    item.append(name, bar, value);
    return item;
  });
}
