import type { EnvironmentId } from "@microterm/protocol";
import { causeOf } from "../../messages/console.ts";
import { endedWithin } from "../../time/deadline.ts";
import type { EnvironmentContext } from "./environment-context.ts";
import type { LiveMachine } from "./live-machine.ts";

const CONSOLE_TIMEOUT_MS = 1_000;
/** 64 KiB each at most. */
const CONSOLES_KEPT = 32;

/** Keeps a machine's last console for `logs`, and resolves with the line that says why it ended. Never rejects, never waits long. */
export async function keepConsole(
  { consoles, clock }: Pick<EnvironmentContext, "consoles" | "clock">,
  id: EnvironmentId,
  { driver, machine }: LiveMachine,
): Promise<string | null> {
  if (!driver.capabilities.supportsConsole) return null;
  let line: string | null = null;
  const reading = machine.console().then((tail) => {
    if (tail.length === 0) return;
    consoles.delete(id);
    consoles.set(id, tail);
    for (const oldest of consoles.keys()) {
      if (consoles.size <= CONSOLES_KEPT) break;
      consoles.delete(oldest);
    }
    line = causeOf(tail);
  });
  await endedWithin(clock, CONSOLE_TIMEOUT_MS, reading);
  return line;
}
