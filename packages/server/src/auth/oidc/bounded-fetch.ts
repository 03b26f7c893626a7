import type { CustomFetch } from "openid-client";

/** Its keys, and what it says of somebody with hundreds of groups, are some 10 KiB. */
const MAX_ANSWER_BYTES = 512 * 1024;

/** An answer that is read as far as is sensible, whatever its length is said to be. The signal of the options ends the reading, too. */
export const boundedFetch: CustomFetch = async (url, options) => {
  const response = await fetch(url, options as RequestInit);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > MAX_ANSWER_BYTES) throw new TypeError(`the provider's answer has more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  const body = response.body === null ? null : Buffer.concat(parts);
  return new Response(body, { status: response.status, headers: response.headers });
};
