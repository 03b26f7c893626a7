import { expect, it } from "vitest";
import { systemClock, systemRandom } from "../testing/system.ts";
import { bootIdentity, guestMachineId } from "./identity.ts";

const row = { diskId: "abcdefghij09", name: "calm-otter", network: { interface: null } };
const ports = { clock: systemClock, random: systemRandom };

it("gives each boot another seed and each environment one machine-id", () => {
  const first = bootIdentity(ports, row);
  const second = bootIdentity(ports, row);
  expect(first.seed).toHaveLength(64);
  expect(bootIdentity(ports, { ...row, name: "" }).hostname).toBe("microterm");
  expect(first.seed).not.toEqual(second.seed);
  expect(first).toMatchObject({ hostname: "calm-otter", environment: "calm-otter", machineId: second.machineId });
});

it("makes a machine-id of 32 hexadecimal digits that tells ids apart", () => {
  expect(guestMachineId(row.diskId)).toBe("6162636465666768696a303900000000");
  expect(guestMachineId("abcdefghij08")).not.toBe(guestMachineId(row.diskId));
});
