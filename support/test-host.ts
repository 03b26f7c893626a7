import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { join as joinConnections } from "./internet/join-connections.ts";
import { ADDRESSES, HOST, NAME_SERVER, ROUTER } from "./internet/places.ts";
import { makeSites } from "./internet/site-files.ts";
import { makeTempFolder } from "./temp-folder.ts";

const program = (name: string): readonly string[] => [process.execPath, join(import.meta.dirname, "internet", name)];

/** A host in namespaces of its own, whose uplink leads to an internet of the test's own. Nothing that is sent there leaves them. */
export interface TestHost {
  /** Of the test's loopback, which leads to the same port of the host's loopback. */
  readonly port: number;
  /** What TLS clients must trust. */
  readonly certificate: string;
  /** The command that runs another in it, and keeps its pid. */
  inside(command: readonly string[]): readonly string[];
  /** Ends the namespaces, once nothing else runs in them. */
  close(): Promise<void>;
}

/** Both namespaces have no name: they end with their processes, and these with ours. */
function start(prepare: string, command: readonly string[]): ChildProcess {
  const script = `set -e; ${prepare}; exec "$@"`;
  const wrapped = ["--pdeathsig", "KILL", "--", "unshare", "--net", "--mount", "--", "sh", "-c", script, "sh"];
  return spawn("setpriv", [...wrapped, ...command], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Both write a line once they serve. */
async function ready({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null || (await stdout[Symbol.asyncIterator]().next()).done === true) {
    throw new Error("the test's internet did not start");
  }
}

async function run(...command: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(command);
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

/** Needs root. */
export async function startTestHost(): Promise<TestHost> {
  const folder = await makeTempFolder();
  const children: ChildProcess[] = [];
  const listener = createServer();
  const close = async () => {
    listener.close();
    for (const child of children) {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    }
    await folder.remove();
  };
  try {
    await makeSites(folder.path);
    const resolv = join(folder.path, "resolv.conf");
    writeFileSync(resolv, `nameserver ${NAME_SERVER}\n`);

    const socket = join(folder.path, "way-in.sock");
    listener.on("connection", (outside) => joinConnections(outside, connect(socket)));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    const wayIn = start(`mount --bind ${resolv} /etc/resolv.conf`, [...program("way-in.ts"), socket, String(port)]);
    children.push(wayIn);
    const addresses = ADDRESSES.map((address) => `ip address add ${address}/32 dev lo`).join("; ");
    const internet = start(`ip link set lo up; ${addresses}`, [...program("main.ts"), folder.path]);
    children.push(internet);

    const inside = (command: readonly string[], { pid } = wayIn) => [
      ...["nsenter", "--target", String(pid), "--net", "--mount", "--"],
      ...command,
    ];
    for (const child of [wayIn, internet]) await ready(child);
    const host = (...words: readonly string[]) => run(...inside(["ip", ...words]));
    await host("link", "set", "lo", "up");
    await host("link", "add", "eth0", "type", "veth", "peer", "name", "inet0", "netns", String(internet.pid));
    await host("address", "add", `${HOST}/24`, "dev", "eth0");
    await host("link", "set", "eth0", "up");
    const router = (...words: readonly string[]) => run(...inside(["ip", ...words], internet));
    await router("address", "add", `${ROUTER}/24`, "dev", "inet0");
    await router("link", "set", "inet0", "up");
    await host("route", "add", "default", "via", ROUTER);
    return { port, certificate: join(folder.path, "certificate.pem"), inside, close };
  } catch (error) {
    await close();
    throw error;
  }
}
