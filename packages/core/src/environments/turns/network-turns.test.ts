import { EnvironmentId } from "@microterm/protocol";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../testing/system.ts";
import { NetworkTurns } from "./network-turns.ts";

const ONE = EnvironmentId.parse("a".repeat(12));
const TWO = EnvironmentId.parse("b".repeat(12));
const never = new AbortController().signal;

it("does one change of an environment at a time, in order, whatever fails", async () => {
  const turns = new NetworkTurns(systemClock);
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.run(ONE, async () => {
    await gate.promise;
    done.push("first");
    throw new Error("it failed");
  });
  const second = turns.run(ONE, async () => done.push("second"));
  await turns.run(TWO, async () => done.push("other"));
  expect(done).toEqual(["other"]);
  gate.resolve();
  await expect(first).rejects.toThrow("it failed");
  await second;
  expect(done).toEqual(["other", "first", "second"]);
});

it("keeps one timer for each environment, the latest", async () => {
  const turns = new NetworkTurns(systemClock);
  const due: string[] = [];
  turns.schedule(ONE, systemClock.now() + 5, never, () => due.push("replaced"));
  turns.schedule(ONE, systemClock.now() - 1000, never, () => due.push("late"));
  turns.schedule(TWO, systemClock.now() + 5, never, () => due.push("cancelled"));
  turns.schedule(TWO, null, never, () => due.push("none"));
  await vi.waitFor(() => expect(due).toEqual(["late"]));
  await systemClock.sleep(20);
  expect(due).toEqual(["late"]);
});

it("ends its timers with the server", async () => {
  const turns = new NetworkTurns(systemClock);
  const closing = new AbortController();
  const due = vi.fn();
  turns.schedule(ONE, systemClock.now() + 10, closing.signal, due);
  closing.abort();
  await systemClock.sleep(30);
  expect(due).not.toHaveBeenCalled();
});
