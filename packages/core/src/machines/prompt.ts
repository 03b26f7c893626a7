import { PlatformError, type TerminalId } from "@microterm/protocol";
import type { GuestAgent, GuestTerminal } from "../ports/guest-agent.ts";
import { openFirstTerminal } from "./first-terminal.ts";
import type { MachineContext } from "./machine-context.ts";

/** Opens a guest's first terminal and resolves once its shell has printed something: its prompt. */
export async function openPrompt(
  context: Pick<MachineContext, "random">,
  agent: GuestAgent,
  signal: AbortSignal,
): Promise<GuestTerminal> {
  const { id } = await openFirstTerminal(context, agent, signal);
  await firstOutput(agent, id, signal);
  const opened = (await agent.terminals({ signal })).find((terminal) => terminal.id === id);
  if (opened === undefined || opened.exit !== null) {
    throw new PlatformError("GUEST_UNREACHABLE", "the shell ended before its prompt");
  }
  return opened;
}

async function firstOutput(agent: GuestAgent, id: TerminalId, signal: AbortSignal): Promise<void> {
  const printed = Promise.withResolvers<void>();
  const stream = await agent.attach(id, {
    signal,
    events: {
      output: () => printed.resolve(),
      gap: () => printed.resolve(),
      resized: () => {},
      exited: () => printed.reject(new PlatformError("GUEST_UNREACHABLE", "the shell ended before its prompt")),
      closed: (error) => printed.reject(error ?? new PlatformError("GUEST_UNREACHABLE", "the terminal's stream ended")),
    },
  });
  try {
    await printed.promise;
  } finally {
    stream.close();
  }
}
