import type { GuestAgent } from "@microterm/core";
import type { ListeningPorts } from "@microterm/protocol";

/** What listens in a guest now. */
export async function listPorts(agent: GuestAgent, signal: AbortSignal): Promise<ListeningPorts> {
  const { promise, resolve, reject } = Promise.withResolvers<ListeningPorts>();
  promise.catch(() => undefined);
  const events = { ports: resolve, closed: (error?: Error) => reject(error ?? new Error("the guest ended the list")) };
  const stream = await agent.watchPorts(events, { signal });
  try {
    return await promise;
  } finally {
    stream.close();
  }
}
