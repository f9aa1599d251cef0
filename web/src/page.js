/**
 * The page: opens files and encodes photos, shows one of them, and lets its realism, its seed and the
 * quality of a photo be changed.
 */

import { draw } from "./canvas.js";
import { Decoder, seedOf } from "./client.js";
import { letSplitMove } from "./compare.js";
import { factRows, stageItems } from "./facts.js";
import { Latest } from "./latest.js";

/** @typedef {import("./client.js").OpenPicture} OpenPicture */
/** A photo has an encoder and, once it is coded, the bytes of its file. */
/** @typedef {{ encode: import("./client.js").Photo["encode"], data: Uint8Array }} Encoded */
/** @typedef {{ name: string, picture: OpenPicture, encoded?: Encoded }} Opened */

const SEEDS = 4;
const decoder = new Decoder(["./", "index.html", "page.css", "page.js"]);
/** @type {Opened[]} */
const opened = [];
/** Originals by the name of their file without its suffix. @type {Map<string, ImageBitmap>} */
const originals = new Map();
/** @type {Opened | null} */
let current = null;
/** Whose left picture is painted. @type {Opened | null} */
let compared = null;
let seedsWanted = false;

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);
const stem = (/** @type {string} */ name) => name.replace(/\.[^.]*$/, "");

const painting = new Latest(complain);

/** @param {Error} error */
function complain(error) {
  byId("message").hidden = false;
  byId("message").textContent = error.message;
}

/** @param {string} text */
function tell(text) {
  byId("status").textContent = text;
}

/** Somebody changed something: what was complained of before is settled. */
function changed() {
  byId("message").hidden = true;
  return painting.run(refresh);
}

/** Make all that is shown of the current file as the controls are. */
async function refresh() {
  const file = current;
  if (!file) return;
  if (file.encoded && file.picture.about.quality !== Number(byId("quality").value)) {
    await encode(file, file.encoded);
  }
  if (compared !== file) await paintBefore(file);
  compared = file;
  await paint(file);
  if (seedsWanted) await paintSeeds(file);
  seedsWanted = false;
}

/** @param {Iterable<File>} files */
async function take(files) {
  byId("message").hidden = true;
  let last = null;
  const all = Array.from(files);
  const isCoded = ({ name = "" }) => name.toLowerCase().endsWith(".bibc");
  for (const file of [...all.filter(isCoded), ...all.filter((file) => !isCoded(file))]) {
    try {
      last = (await (isCoded(file) ? open(file) : takePhoto(file))) ?? last;
    } catch (error) {
      complain(new Error(`${file.name}: ${/** @type {Error} */ (error).message}`));
    }
  }
  list();
  if (last ?? current) await show(/** @type {Opened} */ (last ?? current));
  else tell("");
}

/** @param {File} file */
async function open(file) {
  tell(`Opening ${file.name}.`);
  const data = new Uint8Array(await file.arrayBuffer());
  return add({ name: file.name, picture: await decoder.open(data) });
}

/**
 * The original of a file that is open, or a photo to encode.
 * @param {File} file
 */
async function takePhoto(file) {
  tell(`Encoding ${file.name}; the first time, the encoder is loaded.`);
  const original = await createImageBitmap(file).catch(() => {
    throw new Error("neither a .bibc file nor an image that this browser can show");
  });
  originals.set(stem(file.name), original);
  const coded = opened.find(({ name, encoded }) => stem(name) === stem(file.name) && !encoded);
  if (coded) return coded;
  const photo = await decoder.photo(file);
  const { data, picture } = await photo.encode(Number(byId("quality").value));
  return add({ name: file.name, picture, encoded: { encode: (quality) => photo.encode(quality), data } });
}

/** @param {Opened} file */
function add(file) {
  opened.push(file);
  return file;
}

/** A button for each file. */
function list() {
  byId("files").hidden = opened.length < 2;
  byId("files").replaceChildren(...opened.map((file) => {
    const button = document.createElement("button");
    button.textContent = file.name;
    button.setAttribute("aria-pressed", String(file === current));
    button.addEventListener("click", () => show(file));
    return button;
  }));
}

/** @param {Opened} file */
async function show(file) {
  current = file;
  seedsWanted = false;
  list();
  byId("title").textContent = file.name;
  byId("view").hidden = false;
  byId("seeds").hidden = true;
  for (const id of ["encoding", "save-file"]) byId(id).hidden = !file.encoded;
  if (file.encoded) byId("quality").value = file.picture.about.quality;
  describe(file);
  await painting.run(refresh);
}

/** @param {Opened} file */
function describe({ picture: { about }, encoded }) {
  byId("facts").tBodies[0].replaceChildren(...factRows(about));
  byId("stages").replaceChildren(...stageItems(about.stageBytes));
  byId("quality-value").textContent = about.quality;
  if (encoded) {
    const bits = ((8 * about.bytes) / (about.width * about.height)).toFixed(3);
    byId("size").textContent = `${about.bytes.toLocaleString("en")} bytes, ${bits} bits a pixel`;
  }
}

/**
 * Encode a photo anew, at the quality that is set.
 * @param {Opened} file
 * @param {Encoded} encoded
 */
async function encode(file, encoded) {
  tell(`Encoding ${file.name}.`);
  const { data, picture } = await encoded.encode(Number(byId("quality").value));
  file.picture = picture;
  encoded.data = data;
  if (file === current) describe(file);
}

/**
 * The left picture: the original, or the mean if none is given.
 * @param {Opened} file
 */
async function paintBefore(file) {
  const { width, height } = file.picture.about;
  const original = originals.get(stem(file.name));
  const name = original ? "Original" : "Realism 0";
  if (original) {
    [byId("before").width, byId("before").height] = [width, height];
    byId("before").getContext("2d").drawImage(original, 0, 0, width, height);
  } else {
    draw(byId("before"), await file.picture.image(0), file.picture.about.hasProfile);
  }
  byId("before-name").textContent = name;
  byId("before").ariaLabel = `${file.name}: ${name}`;
}

/**
 * The right picture, with the realism and the seed that are set.
 * @param {Opened} file
 */
async function paint({ name, picture }) {
  const realism = Number(byId("realism").value);
  const seed = seedOf(byId("seed").value.trim());
  tell(`Decoding ${name}.`);
  draw(byId("after"), await picture.image(realism, seed), picture.about.hasProfile);
  byId("after-name").textContent = `Realism ${realism}`;
  byId("after").ariaLabel = `${name} at realism ${realism}, seed ${seed ?? "stored"}`;
  tell(`${name}, realism ${realism}, seed ${seed ?? "stored"}.`);
}

/**
 * Four seeds side by side; one that is chosen becomes the picture's.
 * @param {Opened} file
 */
async function paintSeeds({ name, picture }) {
  byId("seeds").hidden = false;
  const buttons = Array.from({ length: SEEDS }, (_, n) => {
    const [button, canvas] = [document.createElement("button"), document.createElement("canvas")];
    button.append(canvas, `Seed ${n + 1}`);
    button.addEventListener("click", () => setSeed(String(n + 1)));
    return button;
  });
  byId("seeds").replaceChildren(...buttons);
  const realism = Number(byId("realism").value);
  for (const [n, button] of buttons.entries()) {
    const image = await picture.image(realism, BigInt(n + 1));
    draw(/** @type {HTMLCanvasElement} */ (button.firstChild), image, picture.about.hasProfile);
  }
  tell(`Four seeds of ${name} at realism ${realism}.`);
}

/** @param {string} text */
function setSeed(text) {
  byId("seed").value = text;
  changed();
}

async function savePng() {
  if (!current) return;
  const { name, picture } = current;
  const seed = seedOf(byId("seed").value.trim());
  download(await picture.png(Number(byId("realism").value), seed), `${stem(name)}.png`);
}

async function saveFile() {
  if (!current?.encoded) return;
  const { name, encoded } = current;
  download(new Blob([/** @type {BlobPart} */ (encoded.data)]), `${stem(name)}.bibc`);
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

byId("choose").addEventListener("change", () => take(byId("choose").files));
byId("realism").addEventListener("input", () => {
  byId("realism-value").textContent = byId("realism").value;
  changed();
});
byId("seed").addEventListener("change", changed);
byId("another").addEventListener("click", () => setSeed(String(seedOf("random"))));
byId("four").addEventListener("click", () => {
  seedsWanted = true;
  changed();
});
byId("save").addEventListener("click", () => savePng().catch(complain));
byId("save-file").addEventListener("click", saveFile);
byId("quality").addEventListener("input", () => {
  byId("quality-value").textContent = byId("quality").value;
  changed();
});
letSplitMove();
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(/** @type {DragEvent} */ (event).dataTransfer?.files ?? []);
  });
}
navigator.serviceWorker?.register("service-worker.js").catch(() => {}); // the page works without it
