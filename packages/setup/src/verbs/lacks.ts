import { formatOvercommit } from "@microterm/protocol";
import type { DaemonNetwork } from "../daemon/daemon.ts";
import type { UpOptions } from "./options.ts";

/**
 * What a running server was not started with, of what is asked for by name: by its arguments, and for its daemon by what the last `up`
 * asked for.
 */
export function lacks(
  words: readonly string[],
  {
    driver,
    cluster,
    fleet,
    allowHost,
    listen,
    previewDomain,
    anonymousLinks,
    overcommit,
    network,
    uplink,
    allowPrivate,
    ...rest
  }: UpOptions,
  last: DaemonNetwork | null,
): readonly string[] {
  const given = (option: string): string | undefined =>
    words.includes(option) ? words[words.indexOf(option) + 1] : undefined;
  const { oidc, localAccounts, auditDays, auditArguments, logLevel, metrics } = rest;
  const known = given("--allow-host")?.split(",") ?? [];
  const promises = overcommit === null ? undefined : formatOvercommit(overcommit);
  return [
    ...(driver === "auto" || given("--driver") === driver ? [] : [`--driver ${driver}`]),
    ...allowHost.filter((host) => !known.includes(host)),
    ...[...cluster, ...fleet, ...listen]
      .filter(([option, value]) => given(option) !== value)
      .map((one) => one.join(" ")),
    ...(promises === undefined || given("--overcommit") === promises ? [] : [`--overcommit ${promises}`]),
    ...(previewDomain === null || given("--preview-domain") === previewDomain
      ? []
      : [`--preview-domain ${previewDomain}`]),
    ...(anonymousLinks === null || given("--anonymous-links") === anonymousLinks
      ? []
      : [`--anonymous-links ${anonymousLinks}`]),
    ...(uplink === null || uplink === last?.uplink ? [] : [`--uplink ${uplink}`]),
    ...allowPrivate
      .filter((cidr) => last?.allowPrivate.includes(cidr) !== true)
      .map((cidr) => `--allow-private ${cidr}`),
    ...(network === null || given("--network") === network ? [] : [`--network ${network}`]),
    ...(oidc === null || given("--oidc") === oidc ? [] : [`--oidc ${oidc}`]),
    ...(localAccounts === null || (given("--local-accounts") ?? "on") === localAccounts
      ? []
      : [`--local-accounts ${localAccounts}`]),
    ...(auditDays === null || given("--audit-days") === String(auditDays) ? [] : [`--audit-days ${auditDays}`]),
    ...(auditArguments && !words.includes("--audit-arguments") ? ["--audit-arguments"] : []),
    ...(logLevel === "info" || given("--log-level") === logLevel ? [] : [`--log-level ${logLevel}`]),
    ...(metrics === null || given("--metrics") === String(metrics) ? [] : [`--metrics ${metrics}`]),
  ];
}
