import type { PodPlace } from "@microterm/drivers";
import type { HostDaemonClient } from "@microterm/host";
import { plainText } from "@microterm/protocol";
import { connect } from "../daemon/daemon.ts";
import { foreignOwner, runAsOwner } from "../data/data-owner.ts";
import { type DataPaths, dataPaths } from "../data/paths.ts";
import { oneLine, SetupError, SHOWN } from "../progress.ts";
import { podPlaceOf } from "../server/cluster-options.ts";
import { lastArguments, lastCertificate } from "../server/environments.ts";
import { describeDriver, hostStatus } from "../server/host-status.ts";
import { runningServer } from "../server/server-process.ts";
import { printReport } from "../verbs/report.ts";
import type { DoctorOptions } from "../verbs/report-options.ts";
import { certificateCheck } from "./certificate-check.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import { CHECKS, SERVER_HOST_CHECKS } from "./checks.ts";
import { clusterChecks } from "./cluster-checks.ts";
import { databaseCheck } from "./database-check.ts";
import { firecrackerCheck } from "./firecracker-check.ts";
import { hostSettings } from "./host-settings.ts";
import { doctorLeftovers } from "./leftovers.ts";
import { networkOf } from "./network-checks.ts";

/** `microterm doctor`: every check with its reason and how to fix it. Exit code 0, or 1 when one fails. `--leftovers`: see leftovers.ts. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const paths = dataPaths(options.data);
  const owner = foreignOwner(paths.data);
  if (owner !== null) {
    const flags = ["--output", options.output, ...(options.leftovers ? ["--leftovers"] : []), ...options.cluster];
    return runAsOwner(owner, "doctor", ["--data", paths.data, ...flags]);
  }
  if (options.leftovers) return doctorLeftovers(paths, options.output);
  const args = options.cluster.length > 0 ? options.cluster : lastArguments(paths);
  const place = podPlaceOf(args);
  const checks = await (place === null ? examine(paths) : examineCluster(paths, place, args));
  await printReport({ checks }, options.output, () => checks.map(describe).join(""));
  return checks.some((one) => one.status === "fail") ? 1 : 0;
}

async function examine(paths: DataPaths): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const check of CHECKS) checks.push(await check(paths));
  const daemon = await daemonChecks(paths).catch((error: unknown) => [notAllowed("daemon", error)]);
  return [...checks, ...hostSettings(), ...daemon, ...(await serverChecks(paths))];
}

/** Machines are not this host's, nor is what they need. */
async function examineCluster(paths: DataPaths, place: PodPlace, args: readonly string[]): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const allowsUnenforced = args.includes("--insecure-no-network-policy");
  for (const check of SERVER_HOST_CHECKS) checks.push(await check(paths));
  return [...checks, ...(await clusterChecks(place, { allowsUnenforced })), ...(await serverChecks(paths))];
}

const serverChecks = async (paths: DataPaths): Promise<readonly Check[]> => [
  ...certificateCheck(lastCertificate(paths)),
  await databaseCheck(paths).catch((error: unknown) => notAllowed("database", error)),
  await serverCheck(paths).catch((error: unknown) => notAllowed("server", error)),
];

/** Another user's daemon or server refuses us: the checks of the host can be reported all the same. */
const notAllowed = (name: string, error: unknown): Check => ({
  name,
  status: "warn",
  text: oneLine(error instanceof Error ? error.message : String(error)),
  fix: error instanceof SetupError ? error.hint : "run it as the user who started microterm, or as root",
});

async function daemonChecks(paths: DataPaths): Promise<readonly Check[]> {
  const daemon = await connect(paths);
  if (daemon === null) {
    return [
      firecrackerCheck(null),
      warn("daemon", "microterm-host does not run, so the jail was not tried", "./microterm up"),
    ];
  }
  try {
    const hello = await daemon.hello();
    const { pid, cgroup, limitsCpu } = hello;
    const cpu = `CPU time ${limitsCpu ? "limited" : "not limited"}`;
    return [
      firecrackerCheck(hello),
      ok("daemon", `microterm-host runs (pid ${pid}, cgroup ${cgroup}, ${cpu})`),
      await jailProbe("jail probe", daemon.probeJail()),
      ...(hello.firecracker?.version ? [await jailProbe("jailer probe", daemon.probeJail("firecracker"))] : []),
      await daemon.networkStatus().then(networkOf, (error: unknown) => notAllowed("networks", error)),
    ];
  } finally {
    daemon.close();
  }
}

/** A jail is tried: a program in its VMM's place attempts to get out. */
async function jailProbe(name: string, probe: ReturnType<HostDaemonClient["probeJail"]>): Promise<Check> {
  try {
    const { checks } = await probe;
    const escaped = checks.filter((one) => !one.refused);
    if (escaped.length === 0) return ok(name, `${checks.length} ways out of the jail were tried, all refused`);
    return fail(
      name,
      `the jail let these through: ${escaped.map((one) => `${one.name} (${one.detail})`).join(", ")}`,
      "don't run untrusted code here, and report this with the output of: ./microterm doctor -o json",
    );
  } catch (error) {
    return notAllowed(name, error);
  }
}

async function serverCheck(paths: DataPaths): Promise<Check> {
  const server = await runningServer(paths);
  if (server === null) return warn("server", "does not run", "./microterm up");
  const host = await hostStatus(server);
  const driver = host === null ? "" : `; driver: ${describeDriver({ name: host.driver, reason: host.driverReason })}`;
  return ok("server", `${server.url} (pid ${server.pid})${plainText(driver, SHOWN)}`);
}

const MARKS = { ok: "✓", warn: "!", fail: "✗" } as const;

function describe(check: Check): string {
  const fix = check.fix === null ? "" : `${" ".repeat(16)}Fix: ${check.fix}\n`;
  return `${MARKS[check.status]} ${check.name.padEnd(13)} ${check.text}\n${fix}`;
}
