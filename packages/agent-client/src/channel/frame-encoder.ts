import { MAX_FRAME_PAYLOAD } from "@microterm/protocol";
import { FRAME_HEADER } from "./frame-decoder.ts";

/** A frame in one buffer, so that a key is one write. Throws a RangeError past 65,536 bytes of payload. */
export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  if (payload.length > MAX_FRAME_PAYLOAD) throw new RangeError(`a payload of ${payload.length} bytes`);
  const frame = Buffer.allocUnsafe(FRAME_HEADER + payload.length);
  frame[0] = type;
  frame.writeUInt32BE(payload.length, 1);
  frame.set(payload, FRAME_HEADER);
  return frame;
}

/** The payload of a RESIZE to the agent. `cols` and `rows` are 1..=1000 each; a RangeError otherwise. */
export function resizePayload(cols: number, rows: number): Buffer {
  for (const size of [cols, rows]) {
    if (!Number.isInteger(size) || size < 1 || size > 1000) throw new RangeError(`a terminal of ${cols}x${rows}`);
  }
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt16BE(cols, 0);
  payload.writeUInt16BE(rows, 2);
  return payload;
}
