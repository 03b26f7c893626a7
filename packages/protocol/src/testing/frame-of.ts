/** Frames as the tables of the protocol's pages have them: written here apart from the codec that is tested by them. */
export function frameOf(
  type: number,
  ...parts: readonly (Uint8Array | readonly [size: 1 | 2 | 4 | 8, value: bigint | number])[]
): Uint8Array {
  const out = [type];
  for (const part of parts) {
    if (part instanceof Uint8Array) out.push(...part);
    else for (let i = part[0] - 1; i >= 0; i -= 1) out.push(Number((BigInt(part[1]) >> BigInt(8 * i)) & 0xffn));
  }
  return Uint8Array.from(out);
}

export const jsonOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
