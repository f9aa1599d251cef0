/** What typed arrays a module asks for. */

const KINDS = [Uint8Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array];

/** Watches `new Uint8Array(length)` and its like, everywhere from now on. */
export function watchMemory() {
  let largest = 0;
  for (const Kind of KINDS) {
    globalThis[Kind.name] = new Proxy(Kind, {
      construct(target, [length, ...rest], self) {
        if (typeof length === "number") {
          largest = Math.max(largest, length * Kind.BYTES_PER_ELEMENT);
        }
        return Reflect.construct(target, [length, ...rest], self);
      },
    });
  }
  return { largest: () => largest, forget: () => (largest = 0) };
}
