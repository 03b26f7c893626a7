import { formatOvercommit } from "@microterm/protocol";
import type { DaemonNetwork } from "../daemon/daemon.ts";
import type { UpOptions } from "./options.ts";

/**
 * What a running server was not started with, of what is asked for by name: by its arguments, and for its daemon by what the last `up`
 * asked for.
 */
export function lacks(
  words: readonly string[],
  { driver, allowHost, previewDomain, overcommit, network, uplink, allowPrivate, logLevel, metrics }: UpOptions,
  last: DaemonNetwork | null,
): readonly string[] {
  const given = (option: string): string | undefined =>
    words.includes(option) ? words[words.indexOf(option) + 1] : undefined;
  const known = given("--allow-host")?.split(",") ?? [];
  const promises = overcommit === null ? undefined : formatOvercommit(overcommit);
  return [
    ...(driver === "auto" || given("--driver") === driver ? [] : [`--driver ${driver}`]),
    ...allowHost.filter((host) => !known.includes(host)),
    ...(promises === undefined || given("--overcommit") === promises ? [] : [`--overcommit ${promises}`]),
    ...(previewDomain === null || given("--preview-domain") === previewDomain
      ? []
      : [`--preview-domain ${previewDomain}`]),
    ...(uplink === null || uplink === last?.uplink ? [] : [`--uplink ${uplink}`]),
    ...allowPrivate
      .filter((cidr) => last?.allowPrivate.includes(cidr) !== true)
      .map((cidr) => `--allow-private ${cidr}`),
    ...(network === null || given("--network") === network ? [] : [`--network ${network}`]),
    ...(logLevel === "info" || given("--log-level") === logLevel ? [] : [`--log-level ${logLevel}`]),
    ...(metrics === null || given("--metrics") === String(metrics) ? [] : [`--metrics ${metrics}`]),
  ];
}
