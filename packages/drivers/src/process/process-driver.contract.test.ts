import { vmDriverContract } from "@microterm/core/testing";
import { startProcessHarness } from "../../../../support/process-harness.ts";
import { createProcessDriver } from "./process-driver.ts";

vmDriverContract("process", () => startProcessHarness(createProcessDriver), [
  {
    test: "a power-off ends the machine as powered-off, also for who adopts it later",
    reason: "processes cannot be powered off: supportsPowerOff is false",
  },
  {
    test: "a disk keeps its files over machines, and is removed only when unused",
    reason: "supportsDisk is false",
  },
]);
