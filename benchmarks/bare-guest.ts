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

/** What a bare guest has or lacks beside the jailed one. */
export interface Differences {
  /** The name of a second port. */
  readonly rawPort?: string;
  /** A tap device that is there, in the place of the one that a jailed QEMU inherits. */
  readonly tap?: string;
  /** Makes of QEMU's command one that keeps its pid. */
  readonly enter?: (command: readonly string[]) => readonly string[];
}

/** Boots the same guest bare. */
export function bootBare({ jailed, blankDisk }: GuestRecipe, differences: Differences = {}): Promise<BareGuest> {
  const { rawPort, tap, enter } = differences;
  const magic = randomBytes(16);
  return startBare({
    jailed,
    disk: blankDisk,
    magic,
    ...(enter && { enter }),
    change(jailedWords, folder) {
      const own = `microterm.magic=${magic.toString("hex")}`;
      const words = jailedWords.map((word) =>
        word
          .replace(/microterm\.magic=[0-9a-f]+/, own)
          .replace(/^(tap,id=\w+),fd=\d+/, `$1,ifname=${tap},script=no,downscript=no`),
      );
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
