import { HostStatus } from "@microterm/protocol";
import type { RunningServer } from "./server-process.ts";

/** What the server says of its host; null when it is not ready, or of an earlier version. */
export async function hostStatus(server: RunningServer): Promise<HostStatus | null> {
  try {
    const answer = await fetch(`${server.url}/v1/host`, {
      headers: { authorization: `Bearer ${server.token}` },
      signal: AbortSignal.timeout(2000),
    });
    return HostStatus.parse(await answer.json());
  } catch {
    return null;
  }
}

/** Which driver new environments are made with, and why. */
export const describeDriver = ({ name, reason }: { readonly name: string; readonly reason: string | null }): string =>
  reason === null ? name : `${name} (${reason})`;
