import type { HostAnswer } from "./daemon-answers.ts";
import { DaemonConnection } from "./daemon-connection.ts";

export interface LaunchArgs {
  readonly machineId: string;
  readonly image: string;
  readonly diskId: string | null;
  readonly memoryMib: number;
  readonly cpus: number;
  readonly accelerator: "tcg" | "kvm";
  /** 32 hexadecimal digits, fresh for each boot: the guest channel's key (docs/reference/agent-protocol.md, Resync). */
  readonly magic: string;
  readonly labels?: { readonly environment: string };
}

/**
 * The verbs of microterm-host (docs/reference/host-protocol.md), typed.
 *
 * Every call has a deadline and finds the daemon again after its death. Calls reject with `HOST_DAEMON_UNAVAILABLE` when it
 * cannot be reached or does not answer, `HOST_OUT_OF_DISK`, `HOST_OUT_OF_MEMORY`, `ENVIRONMENT_STATE` (`busy`,
 * `exists`), `NOT_FOUND`, or `INTERNAL`; `details.hostCode` is the daemon's own code.
 */
export interface HostDaemonClient {
  readonly socketPath: string;
  hello(): Promise<HostAnswer<"hello">>;
  verifyImage(image: string): Promise<HostAnswer<"image.verify">>;
  /** Takes in what lies in the folder that the daemon was started with. */
  importImages(): Promise<HostAnswer<"image.import">>;
  createDisk(diskId: string, sizeMib: number): Promise<void>;
  removeDisk(diskId: string): Promise<HostAnswer<"disk.remove">["removed"]>;
  /** Not repeated when the connection breaks: whoever called must `kill`. */
  launch(args: LaunchArgs): Promise<HostAnswer<"machine.launch">>;
  kill(machineId: string): Promise<HostAnswer<"machine.kill">["removed"]>;
  list(): Promise<HostAnswer<"list">>;
  scan(ids: readonly string[]): Promise<HostAnswer<"scan">["found"]>;
  usage(machineId: string): Promise<HostAnswer<"machine.usage">>;
  resources(): Promise<HostAnswer<"host.resources">>;
  probeJail(): Promise<HostAnswer<"jail.probe">>;
  close(): void;
}

/** Connects at the first call. */
export function createHostDaemonClient(options: { readonly socketPath: string }): HostDaemonClient {
  const connection = new DaemonConnection(options.socketPath);
  return {
    socketPath: options.socketPath,
    hello: () => connection.call("hello", {}),
    verifyImage: (image) => connection.call("image.verify", { image }),
    importImages: () => connection.call("image.import", {}),
    createDisk: async (diskId, sizeMib) => {
      await connection.call("disk.create", { diskId, sizeMib });
    },
    removeDisk: async (diskId) => (await connection.call("disk.remove", { diskId })).removed,
    launch: (args) => connection.call("machine.launch", { ...args }),
    kill: async (machineId) => (await connection.call("machine.kill", { machineId })).removed,
    list: () => connection.call("list", {}),
    scan: async (ids) => (await connection.call("scan", { ids })).found,
    usage: (machineId) => connection.call("machine.usage", { machineId }),
    resources: () => connection.call("host.resources", {}),
    probeJail: () => connection.call("jail.probe", {}),
    close: () => connection.close(),
  };
}
