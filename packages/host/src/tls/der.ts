/** DER (ITU-T X.690) of the few types that a certificate is made of. */
export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Constructed, of this context's number. */
export const contextTag = (number: number): number => 0xa0 | number;
/** Primitive, of this context's number. */
export const implicitTag = (number: number): number => 0x80 | number;

export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => der(TAG.sequence, ...contents);

/** A bit string of whole bytes. */
export const bitString = (bytes: Uint8Array): Buffer => der(TAG.bitString, Buffer.of(0), bytes);

/** A positive one, big-endian, without the zeros that it may not begin with. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.of(0) : bytes.subarray(first);
  const looksNegative = ((digits[0] ?? 0) & 0x80) !== 0;
  return der(TAG.integer, Buffer.of(...(looksNegative ? [0] : [])), digits);
}

/** Like 2.5.29.17. */
export function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...others] = text.split(".").map(Number);
  return der(TAG.objectId, Buffer.of(40 * first + second, ...others.flatMap(base128)));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) digits.unshift(0x80 | (rest & 0x7f));
  return digits;
}

function lengthOf(bytes: number): number[] {
  if (bytes < 0x80) return [bytes];
  if (bytes < 0x100) return [0x81, bytes];
  return [0x82, bytes >>> 8, bytes & 0xff];
}
