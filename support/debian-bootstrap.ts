import { runCommand } from "@microterm/host";
import { type AptSources, findAptSources } from "@microterm/images";
import { aptOptions } from "../packages/images/src/debian/apt-options.ts";
import { bootstrapFailure } from "../packages/images/src/debian/bootstrap-failure.ts";

const UNREACHED = "can't be reached";

/** The sources of another Debian release: those of the host, which reach it as well. */
export async function sourcesOf(suite: string): Promise<AptSources> {
  const sources = await findAptSources();
  const lines = sources.lines.map((line) => line.replace(new RegExp(` ${sources.suite}\\b`), ` ${suite}`));
  return { suite, lines };
}

export interface Bootstrap {
  readonly sources: AptSources;
  readonly packages: readonly string[];
  /** A folder, which it fills; with `hook`, that does it. */
  readonly target: string;
  /** A shell line that sees the finished root as `$1`, with `null` as mmdebstrap's own output. */
  readonly hook?: string;
}

/** Runs mmdebstrap as root. Resolves with null, or with why the packages cannot be had here. */
export async function bootstrapDebian({ sources, packages, target, hook }: Bootstrap): Promise<string | null> {
  const { suite, lines } = sources;
  const options = (await aptOptions({ run: runCommand })).map((option) => `--aptopt=${option}`);
  const command = ["mmdebstrap", "--mode=root", "--variant=minbase", `--include=${packages.join(",")}`, ...options];
  if (hook !== undefined) command.push("--format=null", `--customize-hook=${hook}`);
  const own = ["unshare", "--mount", "--propagation", "private", "--"];
  const { code, stderr } = await runCommand([...own, ...command, suite, hook === undefined ? target : "-", ...lines]);
  if (code === 0) return null;
  const { message } = bootstrapFailure({ step: "packages", log: stderr, sources: lines });
  if (message.includes(UNREACHED)) return message;
  throw new Error(`Debian ${suite} could not be made: ${message}\n${stderr}`);
}
