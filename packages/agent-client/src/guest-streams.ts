import type { ExecStream, TerminalStream } from "@microterm/core";
import { FRAME, MAX_FRAME_PAYLOAD } from "@microterm/protocol";
import { resizePayload } from "./channel/frame-encoder.ts";
import type { FrameStream } from "./channel/frame-stream.ts";

const NOTHING = new Uint8Array(0);

/** What a caller holds of an attach: typed bytes one way, flow control the other. */
export function createTerminalStream(frames: FrameStream): TerminalStream {
  return {
    write: (bytes) => writeInput(frames, bytes),
    drained: () => frames.drained(),
    resize: (cols, rows) => {
      frames.send(FRAME.resize, resizePayload(cols, rows));
    },
    pause: () => frames.pause(),
    resume: () => frames.resume(),
    close: () => frames.close(),
  };
}

export function createExecStream(frames: FrameStream): ExecStream {
  return {
    ...createTerminalStream(frames),
    endInput: () => {
      frames.send(FRAME.stdinEof, NOTHING);
    },
    signal: (number) => {
      if (!Number.isInteger(number) || number < 1 || number > 64) throw new RangeError(`signal ${number}`);
      frames.send(FRAME.signal, Uint8Array.of(number));
    },
  };
}

function writeInput(frames: FrameStream, bytes: Uint8Array): boolean {
  if (bytes.length <= MAX_FRAME_PAYLOAD) return bytes.length === 0 || frames.send(FRAME.input, bytes);
  let isReady = true;
  for (let at = 0; at < bytes.length; at += MAX_FRAME_PAYLOAD) {
    isReady = frames.send(FRAME.input, bytes.subarray(at, at + MAX_FRAME_PAYLOAD));
  }
  return isReady;
}
