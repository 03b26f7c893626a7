import { vmDriverContract } from "@microterm/core/testing";
import { startQemuHarness } from "../../../../support/qemu-harness.ts";
import { createQemuDriver } from "./qemu-driver.ts";

vmDriverContract("qemu", () => startQemuHarness(createQemuDriver));
