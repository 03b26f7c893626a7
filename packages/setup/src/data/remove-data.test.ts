import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dataPaths } from "./paths.ts";
import { removeData } from "./remove-data.ts";

let above: string;
let data: string;
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), "mt-remove-"));
  data = join(above, "data");
  for (const part of ["server/screens", "host/images", "app", "paused-by-backup"])
    mkdirSync(join(data, part), { recursive: true });
  for (const file of ["server/token", "host/images/key", "daemon.log", "last-up.json"])
    writeFileSync(join(data, file), "x");
});
afterEach(() => rmSync(above, { recursive: true, force: true }));

/** A folder with the same names in it that is not to be touched. */
function makeVictim(): string {
  const victim = join(above, "victim");
  for (const part of ["server", "host", "app"]) mkdirSync(join(victim, part), { recursive: true });
  writeFileSync(join(victim, "host/precious"), "x");
  writeFileSync(join(victim, "server/precious"), "x");
  return victim;
}

describe.runIf(process.getuid?.() === 0)("what is removed of a data folder", () => {
  it("is all of ours, and the folder once it is empty", async () => {
    writeFileSync(join(data, "of somebody's"), "x");
    await removeData(dataPaths(data), "all");
    expect(existsSync(join(data, "of somebody's"))).toBe(true);
    expect(existsSync(join(data, "server"))).toBe(false);
    rmSync(join(data, "of somebody's"));
    await removeData(dataPaths(data), "all");
    expect(existsSync(data)).toBe(false);
  });

  it("is the server's part, then root's", async () => {
    await removeData(dataPaths(data), "server's");
    expect(existsSync(join(data, "server"))).toBe(false);
    expect(existsSync(join(data, "host/images/key"))).toBe(true);
    await removeData(dataPaths(data), "root's", 0);
    expect(existsSync(data)).toBe(false);
  });

  it.each(["server", "host", "app"])("is a link at %s and not what it leads to", async (part) => {
    const victim = makeVictim();
    rmSync(join(data, part), { recursive: true });
    symlinkSync(join(victim, part), join(data, part));
    await removeData(dataPaths(data), "all");
    expect(existsSync(data)).toBe(false);
    expect([existsSync(join(victim, "host/precious")), existsSync(join(victim, "server/precious"))]).toEqual([
      true,
      true,
    ]);
  });

  it("is nothing of a folder that was put in its place", async () => {
    const victim = makeVictim();
    const removing = removeData(dataPaths(data), "all");
    // The folder has been opened by now, and rm(1) is on its way.
    renameSync(data, join(above, "moved"));
    symlinkSync(victim, data);
    await removing.catch(() => undefined);
    expect([existsSync(join(victim, "host/precious")), existsSync(join(victim, "server/precious"))]).toEqual([
      true,
      true,
    ]);
    expect(existsSync(join(above, "moved/host"))).toBe(false);
    await expect(removeData(dataPaths(join(above, "victim")), "root's", 65_534)).rejects.toThrow("not the folder");
  });
});
