import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { TestDaemon } from "../support/test-daemon.ts";
import { type BareGuest, commandOf, type JailedCommand, startBare } from "./bare-qemu.ts";

const BOOT_MS = 120_000;

export interface GuestRecipe {
  readonly jailed: JailedCommand;
  /** An empty disk of the same size, to be copied. */
  readonly blankDisk: string;
}

/** Reads the recipe from a machine of the daemon's that runs now. `blankDisk` must outlive the recipe. */
export async function recipeOf(daemon: TestDaemon, blankDisk: string): Promise<GuestRecipe> {
  const [machine] = (await daemon.client.list()).machines;
  if (machine?.pid == null) throw new Error("no machine runs to read a command line from");
  return { jailed: await commandOf(daemon, machine.pid), blankDisk };
}

/** Where the second port of a guest in this folder is, if it has one. */
export const rawSocketOf = ({ folder }: BareGuest): string => join(folder, "raw.sock");

/** Boots the same guest bare, with a second port of this name where one is given. */
export function bootBare({ jailed, blankDisk }: GuestRecipe, rawPort?: string): Promise<BareGuest> {
  const magic = randomBytes(16);
  return startBare({
    jailed,
    disk: blankDisk,
    magic,
    change(jailedWords, folder) {
      const own = `microterm.magic=${magic.toString("hex")}`;
      const words = jailedWords.map((word) => word.replace(/microterm\.magic=[0-9a-f]+/, own));
      if (rawPort === undefined) return words;
      return [
        ...words.map((word) => word.replace("max_ports=2", "max_ports=3")),
        ...["-chardev", `socket,id=raw,path=${folder}/raw.sock,server=on,wait=off`],
        ...["-device", `virtserialport,chardev=raw,name=${rawPort}`],
      ];
    },
    begin: ({ link }) => link.agent({ timeoutMs: BOOT_MS }),
  });
}
