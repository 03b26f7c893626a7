import { PlatformError, type TerminalId } from "@microterm/protocol";
import { openFirstTerminal } from "../environments/first-terminal.ts";
import type { Foundation } from "../environments/foundation.ts";
import type { GuestAgent, GuestTerminal } from "../ports/guest-agent.ts";

/** Opens a guest's first terminal and resolves once its shell has printed something: its prompt. */
export async function openPrompt(
  foundation: Pick<Foundation, "random">,
  agent: GuestAgent,
  signal: AbortSignal,
): Promise<GuestTerminal> {
  const { id } = await openFirstTerminal(foundation, agent, signal);
  await firstOutput(agent, id, signal);
  const opened = (await agent.terminals({ signal })).find((terminal) => terminal.id === id);
  if (opened === undefined || opened.exit !== null) {
    throw new PlatformError("GUEST_UNREACHABLE", "the shell ended before its prompt");
  }
  return opened;
}

async function firstOutput(agent: GuestAgent, id: TerminalId, signal: AbortSignal): Promise<void> {
  let settle = (_error?: Error) => {};
  const printed = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const stream = await agent.attach(id, {
    signal,
    events: {
      output: () => settle(),
      gap: () => settle(),
      resized: () => {},
      exited: () => settle(new PlatformError("GUEST_UNREACHABLE", "the shell ended before its prompt")),
      closed: (error) => settle(error ?? new PlatformError("GUEST_UNREACHABLE", "the terminal's stream ended")),
    },
  });
  try {
    await printed;
  } finally {
    stream.close();
  }
}

/** Runs a program to its end, whatever that is; what it prints is dropped. */
export async function runToEnd(agent: GuestAgent, command: readonly string[], signal: AbortSignal): Promise<void> {
  let settle = (_error?: Error) => {};
  const ended = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const stream = await agent.exec(
    { command: [...command], tty: null },
    {
      started: () => {},
      stdout: () => {},
      stderr: () => {},
      exited: () => settle(),
      failed: ({ message }) => settle(new Error(message)),
      closed: (error) => settle(error),
    },
    { signal },
  );
  try {
    stream.endInput();
    await ended;
  } finally {
    stream.close();
  }
}
