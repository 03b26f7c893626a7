export { Backlog, hiddenOf, leaveOut, mayHide, type Waiting } from "./backlog.ts";
export { followScreen, type ScreenFollower } from "./follower.ts";
export { boundMemory } from "./memory-bounds.ts";
export { drawPlainRuns } from "./plain-runs.ts";
export {
  DEFAULT_SCROLLBACK,
  MAX_SCROLLBACK,
  parseScreen,
  parseScreenState,
  type Screen,
  type ScreenState,
  stringifyScreen,
} from "./screen.ts";
export { printable } from "./texts.ts";
export { onColors } from "./trackers/palette-tracker.ts";
export { guardTerminal } from "./upstream/index.ts";
export { createUtf8Aligner } from "./utf8-aligner.ts";
export type { ScreenTerminal } from "./xterm-internals.ts";
