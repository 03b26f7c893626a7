import { EnvironmentId } from "@microterm/protocol";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../testing/system.ts";
import { PolicyQueue } from "./policy-queue.ts";

const ONE = EnvironmentId.parse("a".repeat(12));
const TWO = EnvironmentId.parse("b".repeat(12));
const never = new AbortController().signal;

it("does one change of an environment at a time, in order, whatever fails", async () => {
  const queue = new PolicyQueue(systemClock);
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = queue.run(ONE, async () => {
    await gate.promise;
    done.push("first");
    throw new Error("it failed");
  });
  const second = queue.run(ONE, async () => done.push("second"));
  await queue.run(TWO, async () => done.push("other"));
  expect(done).toEqual(["other"]);
  gate.resolve();
  await expect(first).rejects.toThrow("it failed");
  await second;
  expect(done).toEqual(["other", "first", "second"]);
});

it("keeps one timer for each environment, the latest", async () => {
  const queue = new PolicyQueue(systemClock);
  const due: string[] = [];
  queue.schedule(ONE, systemClock.now() + 5, never, () => due.push("replaced"));
  queue.schedule(ONE, systemClock.now() - 1000, never, () => due.push("late"));
  queue.schedule(TWO, systemClock.now() + 5, never, () => due.push("cancelled"));
  queue.schedule(TWO, null, never, () => due.push("none"));
  await vi.waitFor(() => expect(due).toEqual(["late"]));
  await systemClock.sleep(20);
  expect(due).toEqual(["late"]);
});

it("ends its timers with the server", async () => {
  const queue = new PolicyQueue(systemClock);
  const closing = new AbortController();
  const due = vi.fn();
  queue.schedule(ONE, systemClock.now() + 10, closing.signal, due);
  closing.abort();
  await systemClock.sleep(30);
  expect(due).not.toHaveBeenCalled();
});
