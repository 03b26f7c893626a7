import type { GuestAgent } from "../ports/guest-agent.ts";

/** Runs a program to its end, whatever that is; what it prints is dropped. */
export async function runToEnd(agent: GuestAgent, command: readonly string[], signal: AbortSignal): Promise<void> {
  const ended = Promise.withResolvers<void>();
  const stream = await agent.exec(
    { command: [...command], tty: null },
    {
      started: () => {},
      stdout: () => {},
      stderr: () => {},
      exited: () => ended.resolve(),
      failed: ({ message }) => ended.reject(new Error(message)),
      closed: (error) => (error === undefined ? ended.resolve() : ended.reject(error)),
    },
    { signal },
  );
  try {
    stream.endInput();
    await ended.promise;
  } finally {
    stream.close();
  }
}
