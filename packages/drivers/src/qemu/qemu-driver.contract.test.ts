import { vmDriverContract } from "@microterm/core/testing";
import { startVmHarness } from "../../../../support/vm-harness.ts";
import { createQemuDriver } from "./qemu-driver.ts";

vmDriverContract("qemu", () => startVmHarness(createQemuDriver));
