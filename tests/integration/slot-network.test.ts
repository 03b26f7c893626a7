import type { NamePolicy } from "@microterm/core";
import { createSlotNetwork } from "@microterm/networks";
import { MachineId, NetworkId, type NetworkPolicy } from "@microterm/protocol";
import { decode, encode } from "dns-packet";
import { expect, it, onTestFinished } from "vitest";
import { createCeiling } from "../../packages/server/src/names/address-ceiling.ts";
import { GuestNames } from "../../packages/server/src/names/guest-names.ts";
import { createUpstream } from "../../packages/server/src/names/upstream.ts";
import { addressOf, reply, startNameUpstream } from "../../support/name-upstream.ts";
import { startSlotDaemon } from "../../support/slot-daemon.ts";

const ONE = MachineId.parse("slotmachine00one");
const TEAM = NetworkId.parse("team00000001");
const OUTSIDE = "93.184.215.14";

it.runIf(process.getuid?.() === 0)(
  "no name leads into the instance's own range, whatever the operator opens around it",
  async () => {
    const { client } = await startSlotDaemon(1);
    const network = createSlotNetwork({ daemon: client });
    const names = network.names?.(ONE) as NamePolicy;
    // Before the range is known.
    expect(names.isOwn?.(OUTSIDE)).toBe(true);
    await network.attach(ONE);
    onTestFinished(async () => void (await network.detach(ONE)));
    const member = (await network.share(ONE, TEAM)).address;

    const { range } = await client.networkStatus();
    const [first = ""] = (range as string).split("/");
    const [a, b, c] = first.split(".").map(Number) as [number, number, number];
    const own = [`${a}.${b}.${c}.1`, `${a}.${b}.${c}.2`, `${a}.${b}.${c}.16`, member, `${a}.${b}.${c + 15}.255`];
    const upstreamServer = await startNameUpstream(({ name }, query) => [
      reply(
        query,
        [...own, OUTSIDE].map((address) => addressOf(name, address)),
      ),
    ]);
    const guest = new GuestNames({
      policy: names,
      upstream: createUpstream({ servers: () => [upstreamServer] }),
      isBeyondCeiling: createCeiling(["10.0.0.0/8", "172.16.0.0/12"]),
      now: () => 0,
    });
    const ask = async (): Promise<readonly unknown[]> => {
      const query = encode({ type: "query", id: 1, flags: 0x100, questions: [{ name: "x.example.com", type: "A" }] });
      return (decode(await guest.answer(query, "udp")).answers ?? []).map((one) => ("data" in one ? one.data : null));
    };
    const limits = { open: 4096, newPerSecond: 200 };
    expect((await network.traffic(ONE)).connections).toEqual({ tracked: 0, opened: 0, exceeded: 0, limits });
    const list: NetworkPolicy = { mode: "allowlist", allow: [{ domain: "*.example.com" }] };
    for (const policy of [{ mode: "open" } as const, list]) {
      await network.setPolicy(ONE, policy);
      expect(await ask(), policy.mode).toEqual([OUTSIDE]);
    }
    // The daemon does not take them either.
    for (const address of own) {
      await expect(names.admit("x.example.com", [address], 60), address).rejects.toThrow("no address of the internet");
    }
    // What is beside the range is the operator's.
    const beside = b === 127 || c < 240 ? `${a}.${b}.${(c + 16) % 256}.1` : `${a}.${b + 1}.0.1`;
    expect(names.isOwn?.(beside)).toBe(false);
  },
);
