import type { GuestAgent } from "@microterm/core";
import { runCommand } from "@microterm/host";
import { startTestHost } from "../support/test-host.ts";
import { bootBare, type GuestRecipe } from "./bare-guest.ts";
import type { BareGuest } from "./bare-qemu.ts";

const TAP = "bare0";
/** A part of the uplink's own network, so that the internet finds it there. */
const [GATEWAY, GUEST, PREFIX] = ["5.5.5.5", "5.5.5.6", 30] as const;
const MTU = 1500;
const MAC = /(?<=^virtio-net-device,.*mac=)[0-9a-f:]+/;

/** Forwards between tap and uplink, and does nothing else. */
const TAP_SCRIPT = `set -e
ip tuntap add dev ${TAP} mode tap
ip address add ${GATEWAY}/${PREFIX} dev ${TAP}
ip link set ${TAP} up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp`;

/** A guest whose network is a tap of a bare QEMU. */
export interface TapGuest {
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** What a command prints. Rejects when it fails. */
  run(command: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** The same guest with a bare tap: without slot, policy and router, on a host and an internet of its own. */
export async function bootOnTap(recipe: GuestRecipe): Promise<TapGuest> {
  const macAddress = recipe.jailed.command.map((word) => MAC.exec(word)?.[0]).find((mac) => mac !== undefined);
  if (macAddress === undefined) throw new Error("the machine to read a command line from has no network device");
  const host = await startTestHost();
  let guest: BareGuest | null = null;
  const close = async (): Promise<void> => {
    await guest?.close();
    await host.close();
  };
  try {
    const { code, stderr } = await runCommand(host.inside(["sh", "-c", TAP_SCRIPT]));
    if (code !== 0) throw new Error(stderr);
    guest = await bootBare(recipe, { tap: TAP, enter: host.inside });
    const { agent } = guest;
    const eth0 = { name: "eth0", macAddress, address: GUEST, prefixLength: PREFIX, gateway: GATEWAY, mtu: MTU };
    await agent.setNetwork({ interface: { ...eth0, resolvers: [], hosts: [] } });
    return {
      async write(path, bytes) {
        const body = async function* () {
          yield bytes;
        };
        await agent.write(path, body());
      },
      run: (command) => outputOf(agent, command),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function outputOf(agent: GuestAgent, command: readonly string[]): Promise<string> {
  const said: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let code: number | null = null;
  const request = { command: [...command], tty: null };
  await agent.exec(request, {
    started: () => undefined,
    stdout(bytes) {
      said.stdout += Buffer.from(bytes);
    },
    stderr(bytes) {
      said.stderr += Buffer.from(bytes);
    },
    exited(exit) {
      code = exit.code;
    },
    failed: ({ message }) => reject(new Error(message)),
    closed: () => (code === 0 ? resolve(said.stdout) : reject(new Error(`${command.join(" ")}: ${said.stderr}`))),
  });
  return promise;
}
