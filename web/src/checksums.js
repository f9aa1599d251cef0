/** The two checksums of the format (FORMAT.md 1). */

const CRC32 = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * The CRC-32 of zlib and PNG, 0..2³² − 1.
 * @param {Uint8Array} bytes
 * @param {number} before what an earlier part of the data gave
 */
export function crc32(bytes, before = 0) {
  let crc = ~before;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC32[(crc ^ byte) & 0xff];
  return ~crc >>> 0;
}

/**
 * CRC-8 of the polynomial x⁸ + x² + x + 1, from 0, not reflected: 0..255.
 * @param {Uint8Array} bytes
 */
export function crc8(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? (crc << 1) ^ 0x107 : crc << 1;
  }
  return crc;
}
