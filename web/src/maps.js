/** Rectangles of an image, and maps of features over them. */

/** A rectangle of an image, in pixels. */
export class Window {
  /**
   * @param {number} top
   * @param {number} left
   * @param {number} bottom
   * @param {number} right
   */
  constructor(top, left, bottom, right) {
    this.top = top;
    this.left = left;
    this.bottom = bottom;
    this.right = right;
  }

  get height() {
    return this.bottom - this.top;
  }

  get width() {
    return this.right - this.left;
  }

  /** @param {Window} other */
  equals({ top, left, bottom, right }) {
    const rows = this.top === top && this.bottom === bottom;
    return rows && this.left === left && this.right === right;
  }

  /**
   * The window with a margin on each side, as far as `whole` goes.
   * @param {number} margin
   * @param {Window} whole
   */
  grown(margin, whole) {
    return new Window(
      Math.max(this.top - margin, whole.top),
      Math.max(this.left - margin, whole.left),
      Math.min(this.bottom + margin, whole.bottom),
      Math.min(this.right + margin, whole.right),
    );
  }

  /**
   * The smallest window of whole cells that covers this one.
   * @param {number} cell
   */
  rounded(cell) {
    const down = (/** @type {number} */ at) => Math.floor(at / cell) * cell;
    const up = (/** @type {number} */ at) => Math.ceil(at / cell) * cell;
    return new Window(down(this.top), down(this.left), up(this.bottom), up(this.right));
  }

  /**
   * Its tiles, left to right and top to bottom.
   * @param {number} side the most pixels a side, a multiple of all cells
   */
  *tiles(side) {
    for (let { top } = this; top < this.bottom; top += side) {
      for (let { left } = this; left < this.right; left += side) {
        const [bottom, right] = [Math.min(top + side, this.bottom), Math.min(left + side, this.right)];
        yield new Window(top, left, bottom, right);
      }
    }
  }
}

/** Features of a window: `values` is [height / cell, width / cell, channels]. */
export class FeatureMap {
  /**
   * @param {Window} window whole cells
   * @param {number} cell pixels a side
   * @param {number} channels
   * @param {Float32Array} [values] zero if not given
   */
  constructor(window, cell, channels, values) {
    this.window = window;
    this.cell = cell;
    this.channels = channels;
    this.rows = window.height / cell;
    this.columns = window.width / cell;
    this.values = values ?? new Float32Array(channels * this.rows * this.columns);
  }

  /**
   * A window inside; not a copy if it is all.
   * @param {Window} window
   */
  part(window) {
    if (window.equals(this.window)) return this;
    const part = new FeatureMap(window, this.cell, this.channels);
    part.copy(this, window);
    return part;
  }

  /**
   * Copy what another map holds of a window that is inside of both.
   * @param {FeatureMap} from
   * @param {Window} window
   */
  copy(from, window) {
    if (window.equals(this.window) && window.equals(from.window)) {
      this.values.set(from.values);
      return;
    }
    const rows = window.height / this.cell;
    const length = (window.width / this.cell) * this.channels;
    let [source, target] = [from.#place(window), this.#place(window)];
    for (let row = 0; row < rows; row++) {
      this.values.set(from.values.subarray(source, source + length), target);
      source += from.columns * this.channels;
      target += this.columns * this.channels;
    }
  }

  /**
   * Add what another map holds of a window that is inside of both.
   * @param {FeatureMap} other
   * @param {Window} window
   */
  add(other, window) {
    const sum = this.part(window);
    const added = other.part(window).values;
    for (let i = 0; i < added.length; i++) sum.values[i] += added[i];
    if (sum !== this) this.copy(sum, window);
  }

  /** @param {Window} window */
  #place({ top, left }) {
    const row = (top - this.window.top) / this.cell;
    return (row * this.columns + (left - this.window.left) / this.cell) * this.channels;
  }
}
