import { type HostDaemonClient, pause } from "@microterm/host";
import { plainText } from "@microterm/protocol";
import { connect } from "../daemon/daemon.ts";
import { type DataPaths, instanceName } from "../data/paths.ts";
import { SHOWN } from "../progress.ts";
import { serverProcess } from "../server/server-process.ts";
import { printReport, type ReportFormat } from "../verbs/report.ts";
import { findTraces, type HostTraces, type Trace, type TraceOwner, type TraceScope } from "./host-traces.ts";

/** What is being made or removed is so for a moment: what is seen at each look is left. */
const LOOKS = 4;
const LOOK_PAUSE_MS = 1000;
/** Lines shown of a list that has no end. */
const MOST_SHOWN = 100;

/** `microterm doctor --leftovers`: what of this data folder is on the host and in no use. Exit code 0 for nothing, 1 otherwise. */
export async function doctorLeftovers(paths: DataPaths, output: ReportFormat): Promise<number> {
  const daemon = await connect(paths);
  try {
    const scope = { data: paths.data, instance: instanceName(paths.data) };
    const server = serverProcess(paths)?.pid ?? null;
    const { found: left, unseen } = await findLeftovers(scope, { daemon, server });
    const items = left.map(({ kind, name, of }) => ({ kind, name, of }));
    const fix = left.length === 0 ? null : whatToDo(daemon !== null);
    await printReport({ leftovers: items, unseen, fix }, output, () => describe(left, unseen, fix));
    return left.length === 0 ? 0 : 1;
  } finally {
    daemon?.close();
  }
}

/** Who says what is in use: the daemon, and the pid of the server. */
export interface Holders {
  readonly daemon: HostDaemonClient | null;
  readonly server: number | null;
}

/** Traces whose owner is in no use, for longer than a moment. */
export async function findLeftovers(scope: TraceScope, holders: Holders): Promise<HostTraces> {
  let left: readonly Trace[] | null = null;
  const keyOf = ({ kind, name }: Trace): string => `${kind} ${name}`;
  for (let looks = 1; ; looks++) {
    // Traces first: what is made after that is in no list of this look.
    const { found, unseen } = await findTraces(scope);
    const inUse = await owners(holders);
    const unused = found.filter(({ of }) => !inUse.has(of));
    const before: ReadonlySet<string> | null = left === null ? null : new Set(left.map(keyOf));
    left = unused.filter((trace) => before === null || before.has(keyOf(trace)));
    if (left.length === 0 || looks === LOOKS) return { found: left, unseen };
    await pause(LOOK_PAUSE_MS);
  }
}

/** Without a daemon nothing but the server is known to be in use. */
async function owners({ daemon, server }: Holders): Promise<ReadonlySet<TraceOwner>> {
  const used = new Set<TraceOwner>();
  if (server !== null) used.add(`process ${server}`);
  if (daemon === null) return used;
  const { pid, supervisorPid } = await daemon.hello();
  for (const owner of ["daemon", `process ${pid}`, `process ${supervisorPid}`] as const) used.add(owner);
  const { slots, spare } = await daemon.listNetworks();
  const { isAvailable } = await daemon.networkStatus();
  // After the slots: a machine gets its own before it is launched.
  const { machines } = await daemon.list();
  const running = new Set(machines.filter(({ alive }) => alive).map(({ machineId }) => machineId));
  for (const machine of running) used.add(`machine ${machine}`);
  for (const { slot, machineId } of slots) if (running.has(machineId)) used.add(`slot ${slot}`);
  for (const slot of spare) used.add(`slot ${slot}`);
  if (isAvailable) used.add("network");
  return used;
}

const whatToDo = (isServed: boolean): string =>
  isServed
    ? "./microterm down and then ./microterm up: a server that starts removes what none of its environments has"
    : "./microterm up, which takes up what environments still have and removes the rest; or ./microterm down --destroy, with everything";

const BY_HAND =
  "What stays after that, root removes: kill PID, ip netns delete NAME, ip link delete NAME, nft delete table FAMILY NAME, rmdir CGROUP, umount PATH, rm -r FILE.";

function describe(left: readonly Trace[], unseen: readonly string[], fix: string | null): string {
  const lines = left.slice(0, MOST_SHOWN).map(({ kind, name, of }) => {
    const owner = /^(machine|slot) /.test(of) ? ` (${plainText(of, SHOWN)})` : "";
    return `✗ ${kind.padEnd(10)} ${plainText(name, SHOWN)}${owner}`;
  });
  if (left.length > MOST_SHOWN) lines.push(`… and ${left.length - MOST_SHOWN} more`);
  lines.push(left.length === 0 ? "✓ nothing is left" : `${left.length} left. Fix: ${fix}\n${BY_HAND}`);
  if (unseen.length > 0) lines.push(`! not looked at, since only root may: ${unseen.join(", ")}`);
  return `${lines.join("\n")}\n`;
}
