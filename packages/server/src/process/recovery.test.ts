import { PlatformError } from "@microterm/protocol";
import { expect, it } from "vitest";
import { createReadiness } from "./readiness.ts";
import { recover } from "./recovery.ts";

const silent = { log: { warn() {} }, signal: new AbortController().signal };

const makeReadiness = () =>
  createReadiness(
    { environments: { get: async () => null } },
    { resources: async () => ({ memory: null, disk: null, cpus: null }) },
  );

/** Of a host that cannot be asked at the first try; `refused` is called then. */
function recoverAtSecondTry(refused: () => void) {
  let tries = 0;
  return {
    async recover() {
      if (++tries > 1) return {} as never;
      queueMicrotask(() => setImmediate(refused));
      throw new PlatformError("HOST_DAEMON_UNAVAILABLE", "connect ECONNREFUSED");
    },
    tries: () => tries,
  };
}

it("serves nothing until the first recovery is through, and says why", async () => {
  const readiness = makeReadiness();
  expect(() => readiness.assertRecovered()).toThrow("still taking stock");
  const seen: string[] = [];
  const environments = recoverAtSecondTry(() => {
    try {
      readiness.assertRecovered();
    } catch (error) {
      seen.push(String(error));
    }
  });
  await recover(environments, readiness, silent);
  expect(seen).toEqual([expect.stringContaining("connect ECONNREFUSED")]);
  readiness.assertRecovered();
});

it("serves on while what a peer has left cannot be recovered yet, which is tried again", async () => {
  const readiness = makeReadiness();
  readiness.recovered();
  let served = 0;
  const environments = recoverAtSecondTry(() => {
    readiness.assertRecovered();
    served++;
  });
  await recover(environments, readiness, silent);
  expect([served, environments.tries()]).toEqual([1, 2]);
  await readiness.check();
});
