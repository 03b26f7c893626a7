import type { HostAnswer } from "@microterm/host";
import { cacheFolder } from "../data/paths.ts";
import { firecrackerStatus, untested } from "../firecracker/driver-choice.ts";
import { findFirecracker, HOW_TO_GET } from "../firecracker/programs.ts";
import { SetupError } from "../progress.ts";
import { type Check, ok, warn } from "./check.ts";

const NAME = "firecracker";

/** `hello`: of the daemon, which alone tries the programs; null where it does not run. */
export function firecrackerCheck(
  hello: Pick<HostAnswer<"hello">, "firecracker"> | null,
  env: NodeJS.ProcessEnv = process.env,
): Check {
  try {
    const found = findFirecracker({ env, cache: cacheFolder(env) });
    if ("absence" in found) return ok(NAME, `${found.absence}; without it, machines are QEMU's`);
    const there = `${found.firecracker}, with ${found.jailer}`;
    if (hello === null) return ok(NAME, `${there}; 'up' tries whether it can be used`);
    const { version, problem } = firecrackerStatus(hello, null);
    if (problem === null) return ok(NAME, `${version}${untested(version)}: ${there}`);
    return warn(NAME, `${there}, cannot be used: ${problem}`, `${HOW_TO_GET}, and ./microterm up`);
  } catch (error) {
    if (error instanceof SetupError) return warn(NAME, error.message, error.hint);
    throw error;
  }
}
