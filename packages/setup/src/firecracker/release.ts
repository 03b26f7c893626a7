import { SetupError } from "../progress.ts";
import type { Program } from "./programs.ts";

/** The release that the tests run. */
export const TESTED_VERSION = "1.12.1";

/** An official release for one architecture. */
export interface Release {
  readonly version: string;
  /** Of the archive, a tar with gzip. */
  readonly url: string;
  /** What is taken out of it. */
  readonly programs: readonly Pinned[];
}

interface Pinned {
  readonly program: Program;
  /** Its path in the archive. */
  readonly member: string;
  /** SHA-256, 64 hexadecimal digits. */
  readonly sha256: string;
}

const RELEASES = "https://github.com/firecracker-microvm/firecracker/releases/download";

/** By Node's name of the architecture (`process.arch`): Firecracker's own name, and the programs' SHA-256. */
const ARCHITECTURES: Readonly<Record<string, { readonly name: string } & Readonly<Record<Program, string>>>> = {
  x64: {
    name: "x86_64",
    firecracker: "b99ea49b8d8b7bfa307d3845585d6a97f7642aa17a985749900370070d8ca930",
    jailer: "86622337f91df329cca72bb21cd1324fb8b6fa47931601d65ee4b2c72ef2cae5",
  },
};

/** The one to download. Throws a {@link SetupError} for an architecture of which no hashes are known. */
export function pinnedRelease(arch: string = process.arch): Release {
  const pinned = ARCHITECTURES[arch];
  if (pinned === undefined) {
    throw new SetupError(
      `no Firecracker is known for ${arch} machines, only for ${Object.keys(ARCHITECTURES).join(", ")}`,
      "./microterm up, which makes machines with QEMU",
    );
  }
  const version = `v${TESTED_VERSION}`;
  const suffix = `${version}-${pinned.name}`;
  const member = (program: Program): Pinned => ({
    ...{ program, member: `release-${suffix}/${program}-${suffix}`, sha256: pinned[program] },
  });
  return {
    version: TESTED_VERSION,
    url: `${RELEASES}/${version}/firecracker-${suffix}.tgz`,
    programs: [member("firecracker"), member("jailer")],
  };
}
