import { PLACES } from "../support/internet/places.ts";
import { poll } from "../support/server.ts";
import { type Figure, median, spread } from "./figures.ts";
import { createGroup } from "./group.ts";
import { closeHosted, type HostedWorld, openHosted } from "./hosted-world.ts";
import { openServed, type TerminalEnd } from "./terminal-end.ts";
import { typeKeys } from "./terminals.ts";

const KEYS_A_ROUND = 100;
/** As many processors as the host of the figures has, so that nothing is left where only the weight decides. */
const ATTACKER = { memoryMib: 256, cpus: 2, diskMib: 512, network: { mode: "open" } };
const NEIGHBOUR = { memoryMib: 128, diskMib: 256 };
/** Of processor time: an attack that has taken as much is under way. */
const UNDER_WAY_USEC = 500_000;

const FLOOD = `import socket
one = socket.socket(type=socket.SOCK_DGRAM)
one.connect(("${PLACES["web.example.org"]}", 9))
while True:
    try:
        one.send(b"x")
    except OSError:
        pass`;

/** What one guest does to the others, as a program in a terminal of its own; the last one cannot be ended from within. */
const ATTACKS: Readonly<Record<string, string>> = {
  "`yes` in a terminal": "yes",
  "an endless loop on each CPU": "for cpu in $(seq $(nproc)); do while :; do :; done & done; wait",
  "`dd` to its disk": "cd; while :; do dd if=/dev/zero of=big bs=1M count=300 conv=fsync; rm big; done",
  "a memory hog": "while :; do head -c 4G /dev/zero | tail -c 4G >/dev/null; done",
  "a flood of packets": `python3 -c '${FLOOD}'`,
  "a fork bomb": "bash -c ':(){ :|:& };:'; sleep 600",
};

interface World extends HostedWorld {
  readonly neighbour: string;
  readonly attacker: string;
}

async function open(): Promise<World> {
  return openHosted(async ({ server }) => {
    const neighbour = await server.create(NEIGHBOUR);
    const { id: attacker } = await server.server.ok("POST", "/v1/environments", ATTACKER);
    await server.until(attacker, "running");
    return { neighbour, attacker };
  });
}

async function cpuUsec({ server: { daemon }, attacker }: World): Promise<number> {
  const { machines } = await daemon.client.list();
  const machine = machines.find(({ environment }) => environment === attacker);
  if (machine === undefined) throw new Error("the attacker has no machine");
  return (await daemon.client.usage(machine.machineId)).cpuUsec;
}

async function attack(world: World, script: string): Promise<TerminalEnd> {
  const before = await cpuUsec(world);
  const end = await openServed(world.server.server, world.attacker, script);
  await poll("the attack", async () => (await cpuUsec(world)) > before + UNDER_WAY_USEC);
  return end;
}

/** A key's echo in one guest while another does its worst, and while that one does nothing, by turns. */
async function measureNeighbours(world: World, rounds: number): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const keys = () =>
    typeKeys((script) => openServed(world.server.server, world.neighbour, script), KEYS_A_ROUND * rounds);
  for (const [name, script] of Object.entries(ATTACKS)) {
    const idle = await keys();
    const end = await attack(world, script);
    const attacked = await keys();
    await end.close();
    figures.push({
      name: `a neighbour's key beside ${name}, p50 / p99 of ${attacked.length}`,
      figure: spread(attacked),
      floor: `${spread(idle)} beside an idle guest`,
      ratio: `${(median(attacked) / median(idle)).toFixed(2)} ×`,
      target: "p50 ≤ 1.5 ×",
    });
  }
  return figures;
}

export const NEIGHBOURS = createGroup<World>({
  open,
  close: closeHosted,
  benchmarks: { neighbours: (world, { rounds }) => measureNeighbours(world, rounds) },
});
