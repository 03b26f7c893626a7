import { createFirecrackerDriver } from "@microterm/drivers";
import { cloneChecks } from "../../support/clone-checks.ts";

cloneChecks("firecracker", {
  create: createFirecrackerDriver,
  accelerator: "kvm",
  memoryMib: 192,
  tellsOfRestore: true,
  rawClones: 2,
});
