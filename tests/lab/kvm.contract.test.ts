import { vmDriverContract } from "@microterm/core/testing";
import { createQemuDriver } from "@microterm/drivers";
import { startVmHarness } from "../../support/vm-harness.ts";

vmDriverContract("qemu with KVM", () => startVmHarness(createQemuDriver, "kvm"), [], { agentIsTried: true });
