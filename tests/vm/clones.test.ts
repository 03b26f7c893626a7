import { createQemuDriver } from "@microterm/drivers";
import { cloneChecks } from "../../support/clone-checks.ts";

cloneChecks("qemu", {
  create: createQemuDriver,
  accelerator: "tcg",
  memoryMib: 512,
  tellsOfRestore: false,
  rawClones: 4,
});
