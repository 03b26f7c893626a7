import type { HostStatus } from "@microterm/protocol";
import { SYSTEM } from "../../access/actor.ts";
import { describeError } from "../../messages/describe-error.ts";
import type { VmDriver } from "../../ports/vm-driver.ts";
import type { EnvironmentContext } from "./environment-context.ts";

/** One driver's images, and the rows that may need them. */
type Images = Pick<EnvironmentContext, "rows" | "log"> & { readonly driver: VmDriver };

/**
 * Gives environments of before images were noted the one that they were made with: their machine's or their snapshot's where there is
 * one, else the one that was imported last before today's, which whatever they were booted with until now was.
 */
export async function adoptImages({ driver, rows, log }: Images): Promise<void> {
  const { images } = driver;
  if (images === null) return;
  const unknown = (await rows.list(SYSTEM)).filter((row) => row.image === null && row.driver === driver.name);
  if (unknown.length === 0) return;
  const [inUse, found] = await Promise.all([images.inUse(), images.list()]);
  const earlier = found.map(({ image }) => image).filter((image) => image !== images.current);
  for (const { id, machineId, snapshotId } of unknown) {
    const own = inUse.get(machineId ?? "") ?? inUse.get(snapshotId ?? "");
    const image = own ?? earlier.at(-1) ?? images.current;
    await rows.setImage(id, image);
    log.info("an environment's image is noted", { environment: id, image, isCertain: own !== undefined });
  }
}

/** Removes images that nothing needs: no environment, whatever its state, and nothing on the host. Never rejects. */
export async function pruneImages({ driver, rows, log }: Images): Promise<void> {
  const { images } = driver;
  if (images === null) return;
  try {
    // The images first: a row that comes meanwhile is of the current one.
    const found = await images.list();
    const all = await rows.list(SYSTEM);
    if (all.some((row) => row.driver === driver.name && row.image === null)) return;
    // Of any driver: two may make their machines of the same images.
    const needed = new Set<string | null>(all.map((row) => row.image));
    for (const { image, isUsed } of found) {
      if (image === images.current || isUsed || needed.has(image)) continue;
      log.info("an image that nothing needs any more is removed", { image });
      await images.remove(image);
    }
  } catch (error) {
    log.warn("images could not be looked after", { error: describeError(error) });
  }
}

/** What is there, and what for. */
export async function imageStatus({ driver, rows }: Images): Promise<HostStatus["images"]> {
  const { images } = driver;
  if (images === null) return [];
  const [found, all] = await Promise.all([images.list(), rows.list(SYSTEM)]);
  return found.map(({ image, bytes }) => ({
    image,
    bytes,
    isCurrent: image === images.current,
    environments: all.filter((row) => row.image === image).length,
  }));
}
