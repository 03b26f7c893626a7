import type { CloseReason } from "../../auth/live-connections.ts";
import type { FlowClient } from "../hub/flow-plan.ts";
import type { PresentClient } from "../hub/presence.ts";

/** A client, as its hub sees it. */
export interface AttachedClient extends FlowClient, PresentClient {
  /** It looks at what is shared with it: it is sent what programs draw, and nothing of what they ask of a terminal besides. */
  readonly isShared: boolean;
  /** There is output. */
  pump(): void;
  /** The others wait for it no longer: it gets a keyframe, once it takes something again. */
  evict(): void;
  /** Sends it a frame that is of no use later. */
  notify(frame: Buffer): void;
  disconnect(closeReason: CloseReason): void;
}
