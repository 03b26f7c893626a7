import { type Figure, median } from "./figures.ts";
import { GUEST, type GuestWorld } from "./guest-world.ts";

/** Of Firecracker's own guests, which have a small kernel and no initrd. */
const PUBLISHED_BOOT = " (published: ≤ 125 ms until init)";

/** Create until running, beside the VMM alone until its guest's agent has answered. */
export async function measureBoot(world: GuestWorld, rounds: number): Promise<readonly Figure[]> {
  await world.closeTerminals();
  const bare: number[] = [];
  const created: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const guest = await world.bootBare();
    bare.push(guest.startMs);
    await guest.close();
    const begin = performance.now();
    const environment = await world.server.create(GUEST);
    created.push(performance.now() - begin);
    await world.server.server.ok("DELETE", `/v1/environments/${environment}`);
  }
  const seconds = (samples: readonly number[]) => `${(median(samples) / 1000).toFixed(2)} s`;
  return [
    {
      name: `create until running, p50 of ${rounds}`,
      figure: seconds(created),
      floor: seconds(bare),
      ratio: `${(median(created) / median(bare)).toFixed(2)} ×`,
      target: `≤ 1.2 × a bare boot of the same guest${world.driver.driver === "firecracker" ? PUBLISHED_BOOT : ""}`,
    },
  ];
}
