import { createSlotNetwork } from "@microterm/networks";
import { MachineId, NetworkId } from "@microterm/protocol";
import { expect, it } from "vitest";
import { startSlotDaemon } from "../../support/slot-daemon.ts";

it.runIf(process.getuid?.() === 0)("a machine that is detached while it joins is a member no more", async () => {
  const { client, instance } = await startSlotDaemon(1);
  const [machine, team] = [MachineId.parse(`machine1${instance}`), NetworkId.parse("network00001")];
  const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
  // As over another connection of the daemon's: answers come in any order.
  const late = createSlotNetwork({
    daemon: {
      ...client,
      joinNetwork: async (...of) => {
        const joined = await client.joinNetwork(...of);
        await isOver;
        return joined;
      },
    },
  });
  await late.attach(machine);
  const joining = late.share(machine, team);
  await expect.poll(async () => (await client.attachNetwork(machine)).prefixLength).toBe(32);
  await late.detach(machine);
  over();
  await joining;
  expect(late.memberAddress(machine)).toBeNull();
  // Nor is one that has no slot.
  const network = createSlotNetwork({ daemon: client });
  await expect(network.share(machine, team)).rejects.toThrow();
  expect(network.memberAddress(machine)).toBeNull();

  await network.attach(machine);
  const { address } = await network.share(machine, team);
  expect(network.memberAddress(machine)).toBe(address);
  await network.share(machine, null);
  expect(network.memberAddress(machine)).toBeNull();
});
