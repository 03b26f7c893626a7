import { createExecServerFrameEncoder, createServerFrameEncoder } from "@microterm/protocol";

/** A frame is filled at once, so its memory is not cleared first. */
const allocate = (length: number): Buffer => Buffer.allocUnsafe(length);

/** What is sent to the clients of a terminal. */
export const serverFrames = createServerFrameEncoder(allocate);

/** What is sent to the client of an exec. */
export const execFrames = createExecServerFrameEncoder(allocate);
