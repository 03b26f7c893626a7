import { MachineId } from "@microterm/protocol";
import { describe, expect, it } from "vitest";
import { expectFoundAlive, expectNothingRemoved, expectRemoved, expectResources } from "./host-answers.ts";

const machineId = MachineId.parse("m".repeat(16));
const UNKNOWN = { processes: null, cgroups: null, sockets: null, files: null, uids: null };
const wanted = { machineId, environmentId: "e" };

describe("the contract", () => {
  it("takes null from a back end that is no local VMM", () => {
    expectRemoved(UNKNOWN);
    expectNothingRemoved(UNKNOWN);
    expectResources({ memory: null, disk: null, cpus: null });
    expectFoundAlive({ ...wanted, alive: true, hostRebooted: null }, wanted);
  });

  it("takes no zero for it, and no wrong answer", () => {
    expect(() => expectRemoved({ ...UNKNOWN, processes: 0 })).toThrow();
    expect(() => expectNothingRemoved({ ...UNKNOWN, files: 1 })).toThrow();
    expect(() => expectResources({ memory: { totalMib: 0, availableMib: 0 }, disk: null, cpus: null })).toThrow();
    expect(() => expectResources({ memory: null, disk: null, cpus: 0 })).toThrow();
    expect(() => expectFoundAlive({ ...wanted, alive: true, hostRebooted: true }, wanted)).toThrow();
    expect(() => expectFoundAlive(undefined, wanted)).toThrow();
  });
});
