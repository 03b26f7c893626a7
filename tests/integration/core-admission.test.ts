import { availableParallelism } from "node:os";
import type { EnvironmentService } from "@microterm/core";
import type { Environment, Overcommit } from "@microterm/protocol";
import { expect, it } from "vitest";
import { ANN } from "./core-server.ts";
import { makeWorld } from "./core-world.ts";

const until = async (service: EnvironmentService, { id }: Environment, state: "running" | "stopped") =>
  (await service.wait(ANN, id, { states: [state], timeoutMs: 60_000 })) as Environment;

it("what was promised to those that run is refused to others until one of them stops", async () => {
  const overcommit: Overcommit = { cpu: 1, memory: 100, disk: 1 };
  const { service } = await (await makeWorld()).start({ overcommit });
  const all = availableParallelism();
  const first = await until(service, await service.create(ANN, { name: "one", cpus: all }), "running");
  const another = () => service.create(ANN, { name: "two", cpus: 1 });
  await expect(another()).rejects.toMatchObject({
    code: "HOST_OUT_OF_CPUS",
    message: `1 CPU is needed and ${all} are promised to machines that run, of ${all} that may be: 1 times the host's ${all}`,
  });
  expect((await service.list(ANN)).map(({ name }) => name)).toEqual(["one"]);
  await service.stop(ANN, "one");
  await until(service, first, "stopped");
  await until(service, await another(), "running");
  await expect(service.start(ANN, "one")).rejects.toMatchObject({ code: "HOST_OUT_OF_CPUS" });
});
