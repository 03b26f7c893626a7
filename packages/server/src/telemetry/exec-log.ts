import type { EnvironmentId } from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";

/** `disconnected`: its client or its guest went first. */
export type ExecOutcome = "exited" | "not-started" | "timed-out" | "disconnected";

export interface EndedExec {
  readonly environment: EnvironmentId;
  readonly actor: string;
  readonly outcome: ExecOutcome;
  readonly ms: number;
}

/** A line for each program that was run by request. Never its command, its variables or its output. */
export function logExec(log: Pick<FastifyBaseLogger, "info">, { ms, ...rest }: EndedExec): void {
  log.info({ ...rest, ms: Math.round(ms) }, "exec");
}
