/** What a guest's way to the outside costs: names, a connection's round trip, and bytes, in a host and an internet of namespaces. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { MANY_DOMAIN, PLACES } from "../support/internet/places.ts";
import { type NetworkedGuest, networkedGuest } from "../support/networked-guest.ts";
import { recipeOf } from "./bare-guest.ts";
import { bootOnTap, type TapGuest } from "./bare-tap.ts";
import { median, signed, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { closeHosted, type HostedWorld, openHosted } from "./hosted-world.ts";

const PROGRAM = join(import.meta.dirname, "network-times.py");
const GUEST = { memoryMib: 128, diskMib: 256 };
/** As many as a guest may ask for at once. */
const NAMES = 100;
const ECHOES = 500;
const BULK_BYTES = 32 << 20;
const WEB = PLACES["web.example.org"] ?? "";

interface World extends HostedWorld {
  readonly guest: NetworkedGuest;
}

async function open(): Promise<World> {
  return openHosted(async ({ server }) => {
    const id = await server.create(GUEST);
    await server.server.call("PUT", `/v1/environments/${id}/files/content?path=times.py`, {
      raw: readFileSync(PROGRAM),
    });
    return { guest: await networkedGuest(server, id) };
  });
}

const numbers = (text: string): number[] => text.trim().split("\n").map(Number);

/** The same program somewhere, asked to print times or rates. */
type Asked = (words: string) => Promise<number[]>;

/** In the guest, and on its host, where the link to the internet is one bare veth. */
function places({ host, guest }: World): { readonly guest: Asked; readonly host: Asked } {
  return {
    guest: async (words) => numbers(await guest.run(`python3 times.py ${words}`)),
    async host(words) {
      const { code, stdout, stderr } = await runCommand(host.inside(["python3", PROGRAM, ...words.split(" ")]));
      if (code !== 0) throw new Error(stderr);
      return numbers(stdout);
    },
  };
}

/** As often in each place, by turns. */
async function byTurns<Place extends string>(
  asked: Readonly<Record<Place, Asked>>,
  wordsOf: (round: number) => string,
  rounds: number,
): Promise<Record<Place, number[]>> {
  const places = Object.keys(asked) as Place[];
  const times = Object.fromEntries(places.map((place) => [place, [] as number[]])) as Record<Place, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const place of places) times[place].push(...(await asked[place](wordsOf(round))));
  }
  return times;
}

/** The same guest on a tap of a bare QEMU. */
async function openTapGuest({ server: { daemon } }: World): Promise<TapGuest> {
  const blank = randomBytes(8).toString("hex");
  await daemon.client.createDisk(blank, GUEST.diskMib);
  const guest = await bootOnTap(await recipeOf(daemon, join(daemon.data, "host/disks", `${blank}.ext4`)));
  await daemon.client.removeDisk(blank);
  await guest.write("times.py", readFileSync(PROGRAM));
  return guest;
}

export const NETWORK = createGroup<World>({
  open,
  close: closeHosted,
  benchmarks: {
    async names(world, { rounds }) {
      const figures = [];
      for (const [what, allow, pattern, target] of [
        ["that is allowed already", "web.example.org", "web.example.org", "p50 ≤ 3 ms above"],
        ["whose address is admitted first", `*.${MANY_DOMAIN}`, `r%d.${MANY_DOMAIN}`, "p50 ≤ 10 ms above"],
      ] as const) {
        await world.guest.setPolicy({ mode: "allowlist", allow: [{ domain: allow }] });
        const { guest, host } = places(world);
        const asked = { guest, host, agent: () => guest(`refusals ${NAMES}`) };
        const wordsOf = (round: number) => `names ${NAMES} ${pattern.replace("r%", `${round}-%`)}`;
        const times = await byTurns(asked, wordsOf, rounds);
        figures.push({
          name: `a name ${what}, from the guest, p50 / p99 of ${times.guest.length}`,
          figure: spread(times.guest),
          floor: `${spread(times.host)} from the host; ${spread(times.agent)} what the guest's agent answers itself`,
          ratio: signed(median(times.guest) - median(times.host)),
          target,
        });
      }
      return figures;
    },
    async outside(world, { rounds }) {
      await world.guest.setPolicy({ mode: "open" });
      const bare = await openTapGuest(world);
      try {
        const asked = {
          ...places(world),
          bare: async (words: string) => numbers(await bare.run(["python3", "times.py", ...words.split(" ")])),
        };
        const echo = await byTurns(asked, () => `echoes ${WEB} ${ECHOES}`, rounds);
        const bulk = await byTurns(asked, () => `bulk ${WEB} ${BULK_BYTES}`, rounds);
        const rate = (place: keyof typeof bulk) => `${median(bulk[place]).toFixed(0)} MB/s`;
        return [
          {
            name: `a byte's round trip to the outside, p50 / p99 of ${echo.guest.length}`,
            figure: spread(echo.guest),
            floor: `${spread(echo.bare)} a bare QEMU's tap; ${spread(echo.host)} the host's bare veth`,
            ratio: signed(median(echo.guest) - median(echo.bare)),
            target: "",
          },
          {
            name: `${BULK_BYTES >> 20} MiB to the outside and back at once, p50 of ${rounds}`,
            figure: rate("guest"),
            floor: `${rate("bare")} a bare QEMU's tap; ${rate("host")} the host's bare veth`,
            ratio: `${(median(bulk.guest) / median(bulk.bare)).toFixed(2)} ×`,
            target: "",
          },
        ];
      } finally {
        await bare.close();
      }
    },
  },
});
