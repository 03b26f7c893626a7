import { type HostStatus, plainText } from "@microterm/protocol";
import { buildOf, versionOf } from "../build/build-name.ts";
import { lastAccelerator } from "../daemon/accelerator.ts";
import { connect } from "../daemon/daemon.ts";
import { foreignOwner, runAsOwner } from "../data/data-owner.ts";
import { describeDatabase } from "../data/database.ts";
import { dataPaths } from "../data/paths.ts";
import { SHOWN } from "../progress.ts";
import { describeExposure, type Exposure } from "../server/exposure.ts";
import { describeDriver, hostStatus } from "../server/host-status.ts";
import { runningServer } from "../server/server-process.ts";
import { printReport } from "./report.ts";
import type { ReportOptions } from "./report-options.ts";

/** `microterm status`: what of this data folder runs. Exit code 0 when the server answers, 3 when not (as LSB's status). */
export async function status(options: ReportOptions): Promise<number> {
  const paths = dataPaths(options.data);
  const owner = foreignOwner(paths.data);
  if (owner !== null) return runAsOwner(owner, "status", ["--data", paths.data, "--output", options.output]);
  const server = await runningServer(paths);
  const daemon = await connect(paths);
  const machines = daemon === null ? [] : (await daemon.list()).machines;
  const hello = daemon === null ? null : await daemon.hello();
  daemon?.close();
  const host = server === null ? null : await hostStatus(server);
  const report = {
    data: paths.data,
    server:
      server === null
        ? null
        : { url: server.url, pid: server.pid, startedAt: server.startedAt, version: versionOf(buildOf(server)) },
    exposure: server?.exposure ?? null,
    daemon: hello === null ? null : { pid: hello.pid, cgroup: hello.cgroup, qemu: hello.qemu },
    machines: {
      running: machines.filter((one) => one.alive).length,
      dead: machines.filter((one) => !one.alive).length,
    },
    database: describeDatabase(paths),
    accelerator: lastAccelerator(paths),
    driver: host === null ? null : { name: host.driver, reason: host.driverReason },
    templates: host?.templates ?? null,
    images: host?.images ?? null,
    pool: host?.pool ?? null,
  };
  await printReport(report, options.output, () => describe(report));
  return server === null ? 3 : 0;
}

type Report = Readonly<{
  data: string;
  server: { url: string; pid: number; startedAt: string; version: string } | null;
  exposure: Exposure | null;
  daemon: { pid: number; cgroup: string; qemu: string | null } | null;
  machines: { running: number; dead: number };
  database: string;
  accelerator: { accelerator: string; reason: string } | null;
  driver: { name: string; reason: string | null } | null;
  templates: HostStatus["templates"] | null;
  images: HostStatus["images"] | null;
  pool: HostStatus["pool"] | null;
}>;

function describe(report: Report): string {
  const { server, daemon, accelerator } = report;
  const rows = [
    ["data", report.data],
    [
      "server",
      server === null
        ? "not running (./microterm up)"
        : `${server.url}, pid ${server.pid}, since ${server.startedAt}, ${server.version}`,
    ],
    ...(report.exposure === null ? [] : [["open to", describeExposure(report.exposure)]]),
    [
      "daemon",
      daemon === null
        ? "not running"
        : `microterm-host, pid ${daemon.pid}, QEMU ${daemon.qemu ?? "not found"}, cgroup ${daemon.cgroup}`,
    ],
    [
      "machines",
      `${report.machines.running} running${report.machines.dead > 0 ? `, ${report.machines.dead} dead` : ""}`,
    ],
    ["database", report.database],
    ...(report.templates === null ? [] : [["templates", describeTemplates(report.templates)]]),
    ...(report.images === null || report.images.length === 0 ? [] : [["images", describeImages(report.images)]]),
    ...(report.pool === null ? [] : [["pool", describePool(report.pool)]]),
    ...(report.driver === null ? [] : [["driver", plainText(describeDriver(report.driver), SHOWN)]]),
    ["guests", accelerator === null ? "not examined yet" : `${accelerator.accelerator}: ${accelerator.reason}`],
  ];
  return rows.map(([name, text]) => `${`${name}`.padEnd(10)}${text}\n`).join("");
}

const because = (reason: string | null): string => (reason === null ? "" : ` (${plainText(reason, SHOWN)})`);

function describeTemplates(templates: HostStatus["templates"]): string {
  if (templates.every((one) => one.state === "unsupported")) return "none: this driver boots every environment";
  return templates.map((one) => `${one.size} ${one.step ?? one.state}${because(one.reason)}`).join(", ");
}

/** By the first digits of their hashes; the older ones with what they are kept for. */
function describeImages(images: HostStatus["images"]): string {
  return images
    .map(({ image, bytes, isCurrent, environments }) => {
      const kept = `kept for ${environments} environment${environments === 1 ? "" : "s"}`;
      const use = isCurrent ? `for new environments, ${environments} so far` : kept;
      return `${image.slice(0, 12)} ${Math.round(bytes / 1e6)} MB (${use})`;
    })
    .join(", ");
}

function describePool({ wanted, ready, reason }: HostStatus["pool"]): string {
  return wanted === 0 ? "none" : `${ready} of ${wanted} ready${because(reason)}`;
}
