import { type BuildStep, ImageBuildError } from "../image-error.ts";

interface Cause {
  readonly pattern: RegExp;
  readonly message: (mirrors: string) => string;
  readonly hint: string;
}

/** What mmdebstrap and apt write, and what it means for a person. The first that matches wins. */
const CAUSES: readonly Cause[] = [
  {
    pattern: /No space left on device|Disk quota exceeded/,
    message: () => "there is no space left on the disk",
    hint: "Free 2 GB where temporary files go (/var/tmp) and in the data folder, then try again.",
  },
  {
    pattern: /newuidmap|newgidmap|subuid|subgid|unshare\(\) failed|unprivileged_userns_clone|CLONE_NEWUSER/,
    message: () => "this user may not make the user namespace that an image is built in",
    hint: "Install uidmap, and give the user subordinate ids: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER (as root). Or run the build as root.",
  },
  {
    pattern: /NO_PUBKEY|EXPKEYSIG|BADSIG|REVKEYSIG|is not signed/,
    message: (mirrors) => `the signature of ${mirrors} does not fit Debian's keys`,
    hint: "Update the package debian-archive-keyring; if that is current, the mirror is not to be trusted.",
  },
  {
    pattern: /is not valid yet|Release file .*expired/,
    message: (mirrors) => `the package lists of ${mirrors} are dated wrongly for this host's clock`,
    hint: "Set the host's clock, then try again.",
  },
  {
    pattern:
      /Temporary failure resolving|Could not resolve|Could not connect|Unable to connect|Connection (failed|timed out|refused)|Cannot initiate the connection|Network is unreachable|No route to host|Failed to fetch|Some index files failed|407 +Proxy|502 |503 /,
    message: (mirrors) => `the Debian mirror can't be reached: ${mirrors}`,
    hint: "Check the network; behind a proxy set http_proxy (or Acquire::http::Proxy for apt), then try again. An image that was built before needs no network.",
  },
  {
    pattern: /Unable to locate package|has no installation candidate/,
    message: (mirrors) => `a package is missing on ${mirrors}`,
    hint: "Use a complete Debian mirror in /etc/apt, then try again.",
  },
];

/** The line that tells most: apt's or mmdebstrap's last error. */
function errorLine(log: string): string {
  const lines = log.split("\n").filter((line) => /^(E|Err|mkfs\.erofs|dpkg):? ?/.test(line));
  return lines.find((line) => line.startsWith("E:")) ?? lines.at(-1) ?? "it said nothing";
}

/** Makes of a failed mmdebstrap an error that a person can act on. */
export function bootstrapFailure(options: {
  readonly step: BuildStep;
  readonly log: string;
  readonly sources: readonly string[];
}): ImageBuildError {
  const { step, log, sources } = options;
  // `deb [signed-by=…] URI suite main`; a mirror's address may hold a password, which is not shown.
  const uris = sources.map((line) => (/\S+:\/\/\S+/.exec(line)?.[0] ?? "").replace(/\/\/[^/@]*@/, "//"));
  const mirrors = [...new Set(uris)].join(", ");
  const cause = CAUSES.find(({ pattern }) => pattern.test(log));
  if (cause) return new ImageBuildError({ step, message: cause.message(mirrors), hint: cause.hint, log });
  return new ImageBuildError({
    step,
    message: `mmdebstrap failed: ${errorLine(log)}`,
    hint: "The build's last lines say more; try again, and report it if it fails the same way.",
    log,
  });
}
