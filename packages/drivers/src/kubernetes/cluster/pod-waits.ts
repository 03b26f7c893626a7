import type { V1Pod } from "@kubernetes/client-node";
import { type Limits, withDeadline } from "@microterm/host";
import { PlatformError } from "@microterm/protocol";
import { endOf, isRunning, whyNotRunning } from "../pods/pod-state.ts";
import type { ClusterApi } from "./cluster-api.ts";

/** Before a start's own deadline (`bootDeadlineMs` of core's), which knows less of what is missing. */
export const RUNNING_MS = 50_000;
const GONE_MS = 60_000;

/** Waits until a pod runs, as the cluster tells. Rejects with `MACHINE_BOOT_FAILED` once it cannot, or the signal's reason. */
export function untilRunning(api: ClusterApi, name: string, limits: Limits): Promise<V1Pod> {
  let last = "the cluster has not told of it";
  return until(
    api,
    name,
    (pod) => {
      if (pod === null) throw new PlatformError("MACHINE_BOOT_FAILED", "its pod was deleted before it ran");
      const end = endOf(pod);
      if (end !== null) throw new PlatformError("MACHINE_BOOT_FAILED", end.reason);
      if (isRunning(pod)) return pod;
      const { reason, isHopeless } = whyNotRunning(pod);
      if (isHopeless) throw new PlatformError("MACHINE_BOOT_FAILED", `its pod cannot start: ${reason}`);
      last = reason;
      return undefined;
    },
    limits,
    (ms) => new PlatformError("MACHINE_BOOT_FAILED", `its pod did not start within ${ms} ms: ${last}`),
  );
}

/** Waits until a pod has gone. Rejects with `HOST_DAEMON_UNAVAILABLE` where that takes too long. */
export async function untilGone(api: ClusterApi, name: string): Promise<void> {
  await until(
    api,
    name,
    (pod) => (pod === null ? true : undefined),
    { timeoutMs: GONE_MS },
    (ms) =>
      new PlatformError("HOST_DAEMON_UNAVAILABLE", `the pod ${name} was deleted and has not gone within ${ms} ms`),
  );
}

/** Follows a pod, beginning with what it is now, until `decide` answers or throws. */
function until<T>(
  api: ClusterApi,
  name: string,
  decide: (pod: V1Pod | null) => T | undefined,
  limits: Limits,
  onTimeout: (ms: number) => Error,
): Promise<T> {
  let unfollow = (): void => {};
  const decided = new Promise<T>((resolve, reject) => {
    const look = (pod: V1Pod | null): void => {
      try {
        const answer = decide(pod);
        if (answer !== undefined) resolve(answer);
      } catch (error) {
        reject(error);
      }
    };
    unfollow = api.pods.follow(name, look);
    // What was told before is not told again.
    api.getPod(name).then(look, reject);
  });
  return withDeadline(decided, limits, onTimeout).finally(unfollow);
}
