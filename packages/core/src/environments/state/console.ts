import type { EnvironmentId } from "@microterm/protocol";
import { causeOf } from "../../messages/console.ts";
import { endedWithin } from "../../time/deadline.ts";
import type { EnvironmentContext } from "./environment-context.ts";
import type { LiveMachine } from "./live-machine.ts";

const CONSOLE_TIMEOUT_MS = 1_000;

/** Keeps a machine's last console for `logs`, and resolves with the line that says why it ended. Never rejects, never waits long. */
export async function keepConsole(
  { consoles, clock }: Pick<EnvironmentContext, "consoles" | "clock">,
  id: EnvironmentId,
  { driver, machine }: LiveMachine,
): Promise<string | null> {
  if (!driver.capabilities.supportsConsole) return null;
  let line: string | null = null;
  const reading = machine.console().then(async (tail) => {
    if (tail.length === 0) return;
    line = causeOf(tail);
    await consoles.keep(id, tail);
  });
  await endedWithin(clock, CONSOLE_TIMEOUT_MS, reading);
  return line;
}
