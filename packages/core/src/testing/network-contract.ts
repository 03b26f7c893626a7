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

    check("an interface is one that a guest can be given", async () => {
      const network = await makeProvider();
      const { link, interface: given } = await network.attach(ONE);
      if (given !== null) {
        expect(given.macAddress).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
        for (const address of [given.address, given.gateway ?? given.address, ...given.resolvers]) {
          expect(address).toMatch(/^\d{1,3}(\.\d{1,3}){3}$/);
        }
        // The device that the agent looks for is the one that the machine has.
        if (link?.kind === "slot") expect(link.macAddress).toBe(given.macAddress);
      }
      await network.detach(ONE);
    });

    check("names are of machines that are attached and have an interface", async () => {
      const network = await makeProvider();
      const names = (): unknown => network.names?.(ONE) ?? null;
      expect(names()).toBeNull();
      const { reach } = await network.attach(ONE);
      if (reach === "loopback") expect(names()).toBeNull();
      await network.detach(ONE);
      expect(names()).toBeNull();
    });

    check("detach is safe to repeat, and without an attach", async () => {
      const network = await makeProvider();
      await network.attach(ONE);
      const first = await network.detach(ONE);
      for (const count of [first.namespaces, first.links]) expect(count).not.toBe(0);
      for (const id of [ONE, TWO]) {
        for (const count of Object.values(await network.detach(id))) expect(count ?? 0).toBe(0);
      }
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
      const { reach, link, interface: given } = await network.attach(ONE);
      expect(reach === "loopback").toBe(!network.capabilities.supportsOutbound);
      if (reach === "loopback") expect({ link, given }).toEqual({ link: null, given: null });
      await network.detach(ONE);
    });
  });
}
