/** Does one thing at a time, and of those that wait only the last. */
export class Latest {
  /** @type {(() => Promise<void>) | null} */
  #next = null;
  #busy = false;

  /** @param {(error: Error) => void} complain */
  constructor(complain) {
    this.complain = complain;
  }

  /** @param {() => Promise<void>} task */
  async run(task) {
    this.#next = task;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const now = this.#next;
      this.#next = null;
      await now().catch(this.complain);
    }
    this.#busy = false;
  }
}
