/** What protocol may use of the platform beyond ES2023, and nothing more: both Node and browsers have these. */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal: boolean });
  decode(bytes: Uint8Array, options?: { readonly stream: boolean }): string;
}
