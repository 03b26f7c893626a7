export {
  type ClientFrame,
  decodeClientFrame,
  encodeAck,
  encodeAppearance,
  encodeInput,
  encodeKeyboard,
  encodePing,
  encodeReply,
  encodeResize,
  MAX_CLIENT_MESSAGE,
} from "./client-frames.ts";
export * from "./exec-frames.ts";
export { FrameError } from "./frame-bytes.ts";
export * from "./server-frames.ts";
