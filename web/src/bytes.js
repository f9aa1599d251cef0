/**
 * Bytes one after the other.
 * @param {ArrayLike<number>[]} parts numbers 0..255
 */
export function joined(...parts) {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
