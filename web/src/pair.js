/**
 * Two threads that share the work of one function of the networks: each takes the next few of its units
 * until none is left. Both have the same memory, where the job is written; the one that asks waits.
 */

/** What another thread needs to help. @typedef {{ module: WebAssembly.Module, memory: WebAssembly.Memory, job: number, stack: number }} Help */

const FUNCTIONS = ["bibc_multiply", "bibc_convolve"];
const TURNS = 8; // about how often the threads come for more work, so that they end together
const STACK = 2 ** 16; // bytes for the other thread's stack
/** Numbers of a job: how far it is, the next unit, the function, units, units a turn, and arguments. */
const [STATE, NEXT, FUNCTION, COUNT, TURN, LENGTH, GIVEN] = [0, 1, 2, 3, 4, 5, 6];
const NUMBERS = 32;
/** A job is open until the other thread takes part or it is closed. */
const [CLOSED, OPEN, TAKEN, DONE] = [0, 1, 2, 3];

export class Pair {
  #job;

  /**
   * @param {import("./kernel.js").Kernel} kernel whose memory is shared
   * @param {WebAssembly.Module} module
   * @param {(help: Help) => void} start calls `help` in another thread, sooner or later
   */
  constructor(kernel, module, start) {
    this.c = kernel.c;
    const job = kernel.take(4 * NUMBERS);
    this.#job = kernel.integers(job, NUMBERS);
    start({ module, memory: kernel.memory, job, stack: kernel.reserve(STACK) + STACK });
  }

  /**
   * Run a function on all of its units.
   * @param {string} name
   * @param {(thread: number) => number[]} given arguments for this thread, 0, and for the other one, 1
   * @param {number} count of units
   * @param {number} unit how many are best done at once
   */
  run(name, given, count, unit) {
    const job = this.#job;
    const turn = Math.ceil(count / TURNS / unit) * unit;
    const others = given(1);
    job.set([0, FUNCTIONS.indexOf(name), count, turn, others.length, ...others], NEXT);
    Atomics.store(job, STATE, OPEN);
    Atomics.notify(job, STATE);
    work(job, this.c, given(0));
    if (Atomics.compareExchange(job, STATE, OPEN, CLOSED) === OPEN) return;
    while (Atomics.load(job, STATE) === TAKEN) Atomics.wait(job, STATE, TAKEN);
  }

  /** Whether the other thread took part in the last job. */
  get helped() {
    return Atomics.load(this.#job, STATE) === DONE;
  }
}

/**
 * Take part in every job, for ever.
 * @param {Help} given
 */
export async function help({ module, memory, job: at, stack }) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  /** @type {WebAssembly.Global} */ (exports.__stack_pointer).value = stack;
  const job = new Int32Array(memory.buffer, at, NUMBERS);
  for (;;) {
    const state = Atomics.compareExchange(job, STATE, OPEN, TAKEN);
    if (state === OPEN) {
      work(job, exports, job.slice(GIVEN, GIVEN + job[LENGTH]));
      Atomics.store(job, STATE, DONE);
      Atomics.notify(job, STATE);
    } else {
      Atomics.wait(job, STATE, state);
    }
  }
}

/**
 * Do what is left of a job.
 * @param {Int32Array} job
 * @param {Record<string, any>} functions
 * @param {ArrayLike<number>} given
 */
function work(job, functions, given) {
  const run = functions[FUNCTIONS[job[FUNCTION]]];
  const [count, turn] = [job[COUNT], job[TURN]];
  for (let first = 0; (first = Atomics.add(job, NEXT, turn)) < count; ) {
    run(...Array.from(given), first, Math.min(first + turn, count));
  }
}
