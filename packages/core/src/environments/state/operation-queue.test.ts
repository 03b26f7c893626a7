import { EnvironmentId } from "@microterm/protocol";
import { expect, it } from "vitest";
import { silentLog } from "../../testing/system.ts";
import { createOperationQueue } from "./operation-queue.ts";

const id = EnvironmentId.parse("a".repeat(12));
const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

it("does one thing at a time for an environment, in order, whatever fails", async () => {
  const work = createOperationQueue(silentLog);
  const done: string[] = [];
  const one = work.begin(id, async () => {
    await Promise.resolve();
    done.push("one");
    throw new Error("it failed");
  });
  const two = work.begin(id, async () => {
    done.push("two");
  });
  expect(work.isBusy(id)).toBe(true);
  await Promise.all([one, two]);
  expect(done).toEqual(["one", "two"]);
  expect(work.isBusy(id)).toBe(false);
});

it("aborts what is under way and what waits, and then starts over", async () => {
  const work = createOperationQueue(silentLog);
  const done: string[] = [];
  void work.begin(id, async (signal) => {
    await untilAborted(signal);
    done.push("aborted");
  });
  void work.begin(id, async () => {
    done.push("never");
  });
  // The first has begun once its turn has come.
  await Promise.resolve();
  await Promise.resolve();
  await work.abort(id);
  await work.begin(id, async () => {
    done.push("again");
  });
  expect(done).toEqual(["aborted", "again"]);
});

it("begins nothing after it was closed", async () => {
  const work = createOperationQueue(silentLog);
  let began = false;
  await work.close();
  await work.begin(id, async () => {
    began = true;
  });
  expect(began).toBe(false);
});
