/** The page: opens files, shows one of them, and lets its realism and its seed be changed. */

import { draw } from "./canvas.js";
import { Decoder, seedOf } from "./client.js";
import { factsOf } from "./facts.js";
import { pngOf } from "./png.js";

/** @typedef {import("./client.js").OpenPicture} OpenPicture */
/** @typedef {{ name: string, picture: OpenPicture }} Opened */

const SEEDS = 4;
const decoder = new Decoder();
/** @type {Opened[]} */
const opened = [];
/** Originals by the name of their file without its suffix. @type {Map<string, ImageBitmap>} */
const originals = new Map();
/** @type {Opened | null} */
let current = null;

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);
const stem = (/** @type {string} */ name) => name.replace(/\.[^.]*$/, "");

/** Does one thing at a time, and of those that wait only the last. */
class Latest {
  /** @type {(() => Promise<void>) | null} */
  #next = null;
  #busy = false;

  /** @param {() => Promise<void>} task */
  async run(task) {
    this.#next = task;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const now = this.#next;
      this.#next = null;
      await now().catch(complain);
    }
    this.#busy = false;
  }
}

const painting = new Latest();

/** @param {Error} error */
function complain(error) {
  byId("message").hidden = false;
  byId("message").textContent = error.message;
}

/** @param {string} text */
function tell(text) {
  byId("status").textContent = text;
}

/**
 * Paint because somebody asked for it: what was complained of before is settled.
 * @param {() => Promise<void>} task
 */
function act(task) {
  byId("message").hidden = true;
  painting.run(task);
}

/** @param {Iterable<File>} files */
async function take(files) {
  byId("message").hidden = true;
  let last = null;
  for (const file of files) {
    try {
      if (file.name.toLowerCase().endsWith(".bibc")) last = await open(file);
      else originals.set(stem(file.name), await createImageBitmap(file));
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
  const picture = await decoder.open(data);
  opened.push({ name: file.name, picture });
  return opened[opened.length - 1];
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
  list();
  byId("title").textContent = file.name;
  byId("view").hidden = false;
  byId("seeds").hidden = true;
  byId("facts").tBodies[0].replaceChildren(...factsOf(file.picture.about).map(([name, value]) => {
    const row = document.createElement("tr");
    const [head, cell] = [document.createElement("th"), document.createElement("td")];
    head.scope = "row";
    [head.textContent, cell.textContent] = [name, value];
    row.append(head, cell);
    return row;
  }));
  showStages(file.picture.about.stageBytes);
  await painting.run(async () => {
    await paintBefore(file);
    await paint();
  });
}

/** @param {number[]} sizes */
function showStages(sizes) {
  const most = Math.max(...sizes, 1);
  byId("stages").replaceChildren(...sizes.map((bytes, stage) => {
    const item = document.createElement("li");
    const [name, bar, value] = ["span", "i", "span"].map((tag) => document.createElement(tag));
    name.textContent = `Stage ${stage + 1}`;
    bar.style.width = `${(100 * bytes) / most}%`;
    value.textContent = `${bytes} bytes`;
    item.append(name, bar, value);
    return item;
  }));
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
    await draw(byId("before"), await file.picture.image(0), file.picture.about.profile);
  }
  byId("before-name").textContent = name;
  byId("before").ariaLabel = `${file.name}: ${name}`;
}

/** The right picture, with the realism and the seed that are set. */
async function paint() {
  if (!current) return;
  const { name, picture } = current;
  const realism = Number(byId("realism").value);
  const seed = seedOf(byId("seed").value.trim());
  tell(`Decoding ${name}.`);
  await draw(byId("after"), await picture.image(realism, seed), picture.about.profile);
  byId("after-name").textContent = `Realism ${realism}`;
  byId("after").ariaLabel = `${name} at realism ${realism}, seed ${seed ?? "stored"}`;
  tell(`${name}, realism ${realism}, seed ${seed ?? "stored"}.`);
}

/** Four seeds side by side; one that is chosen becomes the picture's. */
async function paintSeeds() {
  if (!current) return;
  const { name, picture } = current;
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
    await draw(/** @type {HTMLCanvasElement} */ (button.firstChild), image, picture.about.profile);
  }
  tell(`Four seeds of ${name} at realism ${realism}.`);
}

/** @param {string} text */
function setSeed(text) {
  byId("seed").value = text;
  act(paint);
}

async function save() {
  if (!current) return;
  const { name, picture } = current;
  const seed = seedOf(byId("seed").value.trim());
  const image = await picture.image(Number(byId("realism").value), seed);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await pngOf(image, picture.about.profile));
  link.download = `${stem(name)}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function setSplit() {
  const { value } = byId("split");
  byId("compare").style.setProperty("--split", `${value}%`);
  byId("split").setAttribute("aria-valuetext", `${value} percent of the left picture`);
}

/** @param {PointerEvent} event */
function point(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = byId("compare").getBoundingClientRect();
  byId("split").value = Math.round((100 * (event.clientX - box.left)) / box.width);
  setSplit();
}

byId("choose").addEventListener("change", () => take(byId("choose").files));
byId("realism").addEventListener("input", () => {
  byId("realism-value").textContent = byId("realism").value;
  act(paint);
});
byId("seed").addEventListener("change", () => act(paint));
byId("another").addEventListener("click", () => setSeed(String(seedOf("random"))));
byId("four").addEventListener("click", () => act(paintSeeds));
byId("save").addEventListener("click", () => save().catch(complain));
byId("split").addEventListener("input", setSplit);
for (const kind of ["pointerdown", "pointermove"]) byId("compare").addEventListener(kind, point);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(/** @type {DragEvent} */ (event).dataTransfer?.files ?? []);
  });
}
