/**
 * <bibc-image src="photo.bibc" alt="A lighthouse" realism="0.7" seed="stored" loading="lazy">
 *   what is shown if the picture cannot be
 * </bibc-image>
 */

import { draw } from "./canvas.js";
import { seedOf, sharedDecoder } from "./client.js";
import { PAGE_LIMITS, parseHeader } from "./container.js";
import { CodecError, LimitExceeded, Truncated } from "./errors.js";

const STYLE = `
  :host { display: inline-block; max-width: 100%; }
  :host([hidden]) { display: none; }
  canvas { display: block; width: 100%; height: auto; }
`;
const PATIENCE = 100; // milliseconds before a coarse picture is made: most files come at once
const MOST_BYTES = 2 ** 27; // of a file
const MARGIN = "400px"; // lazy pictures begin to load this far below what is seen

/**
 * A picture of a .bibc file. Events: `coarse` with the number of stages in `detail` while bytes come,
 * `load` once it is whole, `paint` at this and every later change, and `error` with the sentence in
 * `detail`.
 */
export class BibcImage extends HTMLElement {
  static observedAttributes = ["src", "alt", "realism", "seed"];

  #canvas = document.createElement("canvas");
  #slot = document.createElement("slot");
  #shown = 0; // number of the picture on the way: what an earlier one still does is not shown
  /** @type {import("./client.js").OpenPicture | null} */
  #picture = null;
  /** @type {IntersectionObserver | null} */
  #observer = null;
  #whole = false; // all bytes of the file are there
  /** @type {Promise<void> | null} */
  #painting = null;
  #wanted = false; // another paint, with the attributes as they are then

  constructor() {
    super();
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.attachShadow({ mode: "open" }).append(style, this.#canvas, this.#slot);
    this.#canvas.setAttribute("role", "img");
    this.#showFallback(true);
  }

  connectedCallback() {
    this.#begin();
  }

  disconnectedCallback() {
    this.#stop();
  }

  /** @param {string} name */
  attributeChangedCallback(name) {
    if (name === "alt") this.#canvas.ariaLabel = this.getAttribute("alt") ?? "";
    if (name === "src" && this.isConnected) this.#begin();
    if ((name === "realism" || name === "seed") && this.#picture) {
      this.#repaint().catch((error) => this.#fail(error, this.#shown));
    }
  }

  #stop() {
    this.#shown++;
    this.#observer?.disconnect();
    this.#picture?.close();
    this.#picture = null;
  }

  #begin() {
    this.#stop();
    this.#whole = false;
    this.#canvas.style.aspectRatio = "";
    this.#showFallback(true);
    if (!this.getAttribute("src")) return;
    if (this.getAttribute("loading") !== "lazy") {
      this.#load(this.#shown);
      return;
    }
    this.#observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#observer?.disconnect();
      this.#load(this.#shown);
    }, { rootMargin: MARGIN });
    this.#observer.observe(this);
  }

  /** @param {number} number of the picture */
  async #load(number) {
    try {
      const data = await this.#fetch(number);
      const picture = await sharedDecoder().open(data);
      if (number !== this.#shown) {
        picture.close();
        return;
      }
      this.#picture = picture;
      await this.#repaint();
      if (number === this.#shown) this.dispatchEvent(new Event("load"));
    } catch (error) {
      this.#fail(/** @type {Error} */ (error), number);
    }
  }

  /**
   * @param {Error} error
   * @param {number} number
   */
  #fail({ message }, number) {
    if (number !== this.#shown) return;
    this.#showFallback(true);
    this.dispatchEvent(new CustomEvent("error", { detail: message }));
  }

  /**
   * The file; coarser pictures are shown while it comes.
   * @param {number} number
   */
  async #fetch(number) {
    const address = new URL(this.getAttribute("src") ?? "", document.baseURI);
    const response = await fetch(address);
    if (!response.ok || !response.body) {
      throw new CodecError(`${address} cannot be loaded: the server says ${response.status}`);
    }
    let data = new Uint8Array(0);
    let busy = false;
    const reader = response.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const longer = new Uint8Array(data.length + part.value.length);
      longer.set(data);
      longer.set(part.value, data.length);
      data = longer;
      if (data.length > MOST_BYTES) throw new LimitExceeded(`${address} has over ${MOST_BYTES} bytes`);
      this.#reserve(data, number);
      if (busy) continue;
      busy = true;
      this.#showCoarse(() => data, number).finally(() => (busy = false));
    }
    this.#whole = true;
    return data;
  }

  /**
   * Take the place of the picture as soon as its header is there.
   * @param {Uint8Array} data
   * @param {number} number
   */
  #reserve(data, number) {
    if (number !== this.#shown || this.#canvas.style.aspectRatio) return;
    try {
      const { width, height } = parseHeader(data, PAGE_LIMITS);
      this.#canvas.style.aspectRatio = `${width} / ${height}`;
      [this.#canvas.width, this.#canvas.height] = [width, height];
      this.#showFallback(false);
    } catch (error) {
      if (!(error instanceof Truncated)) throw error;
    }
  }

  /**
   * Show the stages that are there, if there are any.
   * @param {() => Uint8Array} data so far
   * @param {number} number
   */
  async #showCoarse(data, number) {
    await new Promise((resolve) => setTimeout(resolve, PATIENCE));
    if (number !== this.#shown || this.#whole) return;
    try {
      const picture = await sharedDecoder().open(data(), { partial: true });
      const image = await picture.image(0);
      picture.close();
      if (number !== this.#shown || this.#picture) return;
      draw(this.#canvas, image, picture.about.hasProfile);
      this.dispatchEvent(new CustomEvent("coarse", { detail: picture.about.stages }));
    } catch (error) {
      if (!(error instanceof CodecError)) throw error; // too little is there yet
    }
  }

  /** Paint with the attributes as they are; while that lasts, later wishes become one. */
  #repaint() {
    this.#wanted = true;
    this.#painting ??= this.#paintAll().finally(() => (this.#painting = null));
    return this.#painting;
  }

  async #paintAll() {
    while (this.#wanted) {
      this.#wanted = false;
      const picture = this.#picture;
      try {
        await this.#paint(picture);
      } catch (error) {
        if (picture === this.#picture) throw error; // else it was closed, and another one is wanted
      }
    }
  }

  /** @param {import("./client.js").OpenPicture | null} picture */
  async #paint(picture) {
    const realism = Number(this.getAttribute("realism") ?? 1);
    if (!(realism >= 0 && realism <= 1)) {
      throw new RangeError(`the realism is ${this.getAttribute("realism")}, expected 0..1`);
    }
    const seed = seedOf(this.getAttribute("seed") ?? "stored");
    const image = await picture?.image(realism, seed);
    if (!image || picture !== this.#picture) return;
    draw(this.#canvas, image, Boolean(picture?.about.hasProfile));
    this.#showFallback(false);
    this.dispatchEvent(new Event("paint"));
  }

  /** @param {boolean} shown */
  #showFallback(shown) {
    this.#slot.style.display = shown ? "contents" : "none";
    this.#canvas.style.display = shown ? "none" : "block";
  }
}

customElements.define("bibc-image", BibcImage);
