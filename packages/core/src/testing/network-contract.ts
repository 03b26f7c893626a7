import { MachineId } from "@microterm/protocol";
import { expect } from "vitest";
import type { NetworkProvider } from "../ports/network.ts";
import { type ContractSkip, contractSuite } from "./contract-checks.ts";

const ONE = MachineId.parse("net0000000000one");
const TWO = MachineId.parse("net0000000000two");

/** What every network provider must do. */
export function networkContract(
  name: string,
  makeProvider: () => Promise<NetworkProvider>,
  skips: readonly ContractSkip[] = [],
): void {
  contractSuite(`${name}: NetworkProvider`, skips, (check) => {
    check("attach is safe to repeat and gives the same answer", async () => {
      const network = await makeProvider();
      const first = await network.attach(ONE);
      expect(first.machineId).toBe(ONE);
      expect(await network.attach(ONE)).toEqual(first);
      await network.detach(ONE);
    });

    check("detach is safe to repeat, and without an attach", async () => {
      const network = await makeProvider();
      await network.attach(ONE);
      await network.detach(ONE);
      await network.detach(ONE);
      await network.detach(TWO);
      expect(await network.list()).not.toContain(ONE);
    });

    check("machines are apart: detaching one leaves the other", async () => {
      const network = await makeProvider();
      const before = await network.list();
      await network.attach(ONE);
      await network.attach(TWO);
      const both = await network.list();
      await network.detach(ONE);
      expect(both.filter((id) => id !== ONE)).toEqual((await network.list()).filter((id) => id !== ONE));
      await network.detach(TWO);
      expect(await network.list()).toEqual(before);
    });

    check("what a guest can reach fits the capabilities", async () => {
      const network = await makeProvider();
      const { reach } = await network.attach(ONE);
      expect(reach === "loopback").toBe(!network.capabilities.supportsOutbound);
      await network.detach(ONE);
    });
  });
}
