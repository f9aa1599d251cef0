/** What can be wrong with a file: the classes and sentences of `bitstream/errors.py`. */

/** Any error about what this package was given; the message is one sentence for people. */
export class CodecError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The file was written with another model than the one at hand. */
export class ModelMismatchError extends CodecError {}

/** The bytes break the format; the subclasses say how where it matters. */
export class BitstreamError extends CodecError {}

/** The file does not begin like a bibcodec file. */
export class BadMagic extends BitstreamError {}

/** The file needs a newer reader. */
export class UnsupportedVersion extends BitstreamError {}

/** The file ends before its image does. */
export class Truncated extends BitstreamError {}

/** A checksum does not match: the file is damaged. */
export class Checksum extends BitstreamError {}

/** The file asks for more than the caller's limits allow. */
export class LimitExceeded extends BitstreamError {}
