import type { Environment } from "@microterm/protocol";
import { useIsConnected } from "../../api/live-events.ts";
import { statusWord } from "../words.ts";

const TONES = {
  ok: "bg-ok",
  warn: "bg-warn",
  danger: "bg-danger",
  muted: "bg-muted",
  accent: "bg-accent",
} as const;

export interface StatusProps {
  readonly of: Pick<Environment, "state" | "operation" | "unresponsiveSince" | "reason">;
  readonly withReason?: boolean;
}

/** A dot and a word; the reason follows where there is room for it. */
export const Status = ({ of, withReason = false }: StatusProps) => {
  const known = statusWord(of);
  // What was last heard is no news: nothing of it is green while the server is gone.
  const isOffline = !useIsConnected();
  const { word, tone, isMoving } = isOffline ? ({ word: "Offline", tone: "muted", isMoving: false } as const) : known;
  const reason = withReason && !isOffline && of.state === "failed" ? of.reason : null;
  return (
    <span
      className={`inline-flex min-w-16 items-center gap-1.5 ${reason ? "" : "shrink-0"}`}
      title={isOffline ? `${known.word} when it was last heard of` : (reason ?? undefined)}
    >
      <span aria-hidden className={`size-2 shrink-0 rounded-full ${TONES[tone]} ${isMoving ? "pulse-dot" : ""}`} />
      <span className="truncate">
        {word}
        {/* A phone has no room for more than its beginning. */}
        {reason && <span className="max-sm:sr-only">: {reason}</span>}
      </span>
    </span>
  );
};
