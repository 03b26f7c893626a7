import type { CloseReason } from "../guest/guest-reader.ts";

/** A client, as its hub sees it. */
export interface AttachedClient {
  /** The number of the log's item that it needs next; null when it needs none. */
  readonly needs: number | null;
  /** Bytes of the log that wait for it. */
  readonly behind: number;
  /** May the guest be held back for it? */
  readonly isWaitedFor: boolean;
  /** Where it would go on if its connection broke now; null when nothing would wait for that. */
  readonly returnsAt: bigint | null;
  pump(): void;
  giveUp(): void;
  tell(frame: Buffer): void;
  dismiss(closeReason: CloseReason): void;
}
