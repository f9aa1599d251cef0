/** The fixed part of a file: which image, of which model, at which quality (FORMAT.md 2). */

import { joined } from "./bytes.js";
import { crc8 } from "./checksums.js";
import { BadMagic, BitstreamError, Checksum, Truncated, UnsupportedVersion } from "./errors.js";

const MAGIC = new TextEncoder().encode("BIBC");
/** @type {Record<number, number>} how many stages a file of each major version can say */
const MOST_STAGES = { 1: 15, 2: 255 };
const MAX_VARINT_BYTES = 5;
const PAD = 0b0011;
const HAS_CHUNKS = 0b0100;
const RESERVED = 0b1000;

/**
 * @typedef {object} Header
 * @property {number} width pixels, 1 or more
 * @property {number} height pixels, 1 or more
 * @property {number} quality 0..100
 * @property {number} stages how many stages the file was written with, 1 or more
 * @property {string} fingerprint names the model: 8 hexadecimal digits
 * @property {number} major major version of the format, 1 or 2
 * @property {number} minor minor version of the writer
 * @property {Uint8Array} fields the bytes that the seal of the image data covers
 */

/** Takes bytes from the front of a file and never looks past its end. */
export class Reader {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    /** How many bytes were taken. */
    this.at = 0;
  }

  /**
   * Take exactly `count` bytes.
   * @param {number} count
   * @param {string} what is read, for the error
   */
  take(count, what) {
    const left = this.data.length - this.at;
    if (count > left) {
      throw new Truncated(
        `the file ends inside ${what}: ${count} bytes needed at byte ${this.at}, ${left} left`,
      );
    }
    this.at += count;
    return this.data.subarray(this.at - count, this.at);
  }

  /**
   * Take an unsigned LEB128 number of at most 5 bytes, without needless zero bytes.
   * @param {string} what is read, for the error
   */
  varint(what) {
    const start = this.at;
    let value = 0;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const [byte] = this.take(1, what);
      value += (byte & 0x7f) * 2 ** (7 * count); // up to 35 bits: no shift, which has 32
      if (byte < 0x80) {
        if (byte || !count) return value;
        throw new BitstreamError(`${what} at byte ${start} ends in a needless zero byte`);
      }
    }
    throw new BitstreamError(`${what} at byte ${start} is longer than ${MAX_VARINT_BYTES} bytes`);
  }

  /** Take all that is left. */
  rest() {
    return this.take(this.data.length - this.at, "the image data");
  }
}

/**
 * Take the header from the front of a file.
 * @param {Reader} reader
 * @returns {{ header: Header, pad: number, hasChunks: boolean }}
 */
export function readHeader(reader) {
  takeMagic(reader);
  const [framing] = reader.take(1, "the header");
  const major = framing >> 4;
  if (!(major in MOST_STAGES)) {
    throw new UnsupportedVersion(
      `the file is of format version ${major}, this reader knows versions 1 and 2`,
    );
  }
  const fieldsAt = reader.at;
  const [counts, quality] = reader.take(2, "the header");
  const fingerprint = hex(reader.take(4, "the header"));
  const width = reader.varint("the width");
  const height = reader.varint("the height");
  const fields = reader.data.subarray(fieldsAt, reader.at);
  const expected = crc8(reader.data.subarray(0, reader.at));
  const [stored] = reader.take(1, "the header");
  if (stored !== expected) {
    throw new Checksum(
      `the header is damaged: its checksum is ${byteHex(stored)}, expected ${byteHex(expected)}`,
    );
  }
  if (framing & RESERVED) {
    throw new UnsupportedVersion("the header sets a reserved bit: a newer writer made the file");
  }
  const [minor, stages] = major === 1 ? [counts >> 4, counts & 15] : [0, counts];
  inRange("width", width, 1, 2 ** 32 - 1);
  inRange("height", height, 1, 2 ** 32 - 1);
  inRange("quality", quality, 0, 100);
  inRange("stage count", stages, 1, MOST_STAGES[major]);
  const header = { width, height, quality, stages, fingerprint, major, minor, fields };
  return { header, pad: framing & PAD, hasChunks: Boolean(framing & HAS_CHUNKS) };
}

/**
 * The header of a new file.
 * @param {Omit<Header, "fields" | "minor">} about the major version is `majorOf` the model's stages
 * @returns {Header}
 */
export function makeHeader(about) {
  const { width, height, quality, stages, fingerprint } = about;
  const model = (fingerprint.match(/../g) ?? []).map((digits) => parseInt(digits, 16));
  const fields = joined([stages, quality], model, varint(width), varint(height));
  return { ...about, minor: 0, fields };
}

/**
 * The version of the format in which files of a model are written.
 * @param {number} stages of the model
 */
export function majorOf(stages) {
  return stages <= MOST_STAGES[1] ? 1 : 2;
}

/**
 * A header as it stands in a file.
 * @param {Header} header
 * @param {number} pad zero bytes that are left out behind it, 0..3
 * @param {boolean} hasChunks
 */
export function writeHeader({ major, fields }, pad, hasChunks) {
  const covered = joined(MAGIC, [(major << 4) | (hasChunks ? HAS_CHUNKS : 0) | pad], fields);
  return joined(covered, [crc8(covered)]);
}

/**
 * An unsigned LEB128 number.
 * @param {number} value
 */
export function varint(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) + 0x80);
  return [...bytes, value];
}

/** @param {Reader} reader */
function takeMagic(reader) {
  if (!reader.data.length) throw new Truncated("the file is empty");
  const magic = reader.data.subarray(0, MAGIC.length);
  if (magic.some((byte, i) => byte !== MAGIC[i])) {
    throw new BadMagic(
      `not a bibcodec file: it begins with ${quoted(magic)}, expected ${quoted(MAGIC)}`,
    );
  }
  reader.take(MAGIC.length, "the magic");
}

/**
 * Refuse a number that is out of its range.
 * @param {string} name
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function inRange(name, value, least, most) {
  if (value < least || value > most) {
    throw new BitstreamError(
      `the header is not valid: the ${name} is ${value}, expected ${least}..${most}`,
    );
  }
}

/** @param {Uint8Array} bytes */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {number} byte */
function byteHex(byte) {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * Bytes in a sentence, as Python writes them: b'BIBC', b'a\x1b'.
 * @param {Uint8Array} bytes
 */
export function quoted(bytes) {
  return `b'${Array.from(bytes, (byte) => escaped(byte, byte < 127)).join("")}'`;
}

/**
 * A text of Latin-1 in a sentence, as Python writes it: 'exif', 'a\x1b'.
 * @param {string} text
 */
export function quotedText(text) {
  const codes = Array.from(text, (character) => character.charCodeAt(0));
  const shown = (/** @type {number} */ code) => code < 127 || (code > 160 && code !== 173);
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const parts = codes.map((code) => (quote === '"' && code === 39 ? "'" : escaped(code, shown(code))));
  return `${quote}${parts.join("")}${quote}`;
}

/**
 * @param {number} code 0..255
 * @param {boolean} shown whether its character can be printed, if it is 32 or more
 */
function escaped(code, shown) {
  const named = new Map([[9, "\\t"], [10, "\\n"], [13, "\\r"], [39, "\\'"], [92, "\\\\"]]);
  const plain = code >= 32 && shown ? String.fromCharCode(code) : `\\x${hex(Uint8Array.of(code))}`;
  return named.get(code) ?? plain;
}
