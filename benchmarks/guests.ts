import { measureBoot } from "./boot.ts";
import { measureFootprint } from "./footprint.ts";
import { createGroup } from "./group.ts";
import { type GuestWorld, startGuestWorld } from "./guest-world.ts";
import { measureEcho, measureFlood, measureInterrupt, soakInterrupts } from "./terminals.ts";

const SOAK = 5000;

/** With real guests. Boot first: nothing else of ours runs then. The server's memory before what makes it grow. */
export const GUESTS = createGroup<GuestWorld>({
  open: startGuestWorld,
  close: (world) => world.close(),
  benchmarks: {
    boot: (world, { rounds }) => measureBoot(world, rounds),
    footprint: (world) => measureFootprint(world),
    echo: (world, { rounds }) => measureEcho(world, rounds),
    flood: (world, { rounds }) => measureFlood(world, rounds),
    interrupt: (world, { rounds, isSoak }) => (isSoak ? soakInterrupts(world, SOAK) : measureInterrupt(world, rounds)),
  },
});
