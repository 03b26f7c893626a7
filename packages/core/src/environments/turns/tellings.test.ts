import { EnvironmentId, MachineId } from "@microterm/protocol";
import { expect, it } from "vitest";
import { Tellings } from "./tellings.ts";

const ID = EnvironmentId.parse("env000000001");
const MACHINE = MachineId.parse("machine000000001");

it("a guest that takes its time is told once what is asked for meanwhile", async () => {
  const tellings = new Tellings();
  const { promise: first, resolve: answer } = Promise.withResolvers<void>();
  let told = 0;
  const tell = async (): Promise<void> => {
    told += 1;
    if (told === 1) await first;
  };
  const all = [1, 2, 3, 4].map(() => tellings.run(ID, MACHINE, tell));
  await Promise.resolve();
  const later = [5, 6].map(() => tellings.run(ID, MACHINE, tell));
  answer();
  await Promise.all([...all, ...later]);
  expect(told).toBe(2);
  await tellings.run(ID, MACHINE, tell);
  expect(told).toBe(3);
});

it("a failure is that of all calls that waited for it, and of none after them", async () => {
  const tellings = new Tellings();
  const refuse = (): Promise<void> => Promise.reject(new Error("it does not answer"));
  await expect(tellings.run(ID, MACHINE, refuse)).rejects.toThrow("does not answer");
  await tellings.run(ID, MACHINE, async () => {});
});

it("a guest is tried again by one at a time", async () => {
  const tellings = new Tellings();
  const { promise, resolve: end } = Promise.withResolvers<void>();
  let loops = 0;
  const loop = (): Promise<void> => {
    loops += 1;
    return promise;
  };
  const first = tellings.retry(MACHINE, loop);
  await tellings.retry(MACHINE, loop);
  expect(loops).toBe(1);
  end();
  await first;
  await tellings.retry(MACHINE, loop);
  expect(loops).toBe(2);
});
