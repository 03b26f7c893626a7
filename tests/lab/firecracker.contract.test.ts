import { vmDriverContract } from "@microterm/core/testing";
import { createFirecrackerDriver } from "@microterm/drivers";
import { startVmHarness } from "../../support/vm-harness.ts";

vmDriverContract("firecracker", () => startVmHarness(createFirecrackerDriver, "kvm"));
