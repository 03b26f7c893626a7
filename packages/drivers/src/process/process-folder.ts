import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MAX_SOCKET_PATH, systemCode } from "@microterm/host";
import { MachineId, PlatformError } from "@microterm/protocol";
import { z } from "zod";

/** What a later server needs to know of a machine. Its processes are found by their mark, never by a stored pid. */
const Record = z.strictObject({
  version: z.literal(1),
  environmentId: z.string().max(64).nullable(),
  /** The host's boot, /proc/sys/kernel/random/boot_id: of another boot, nothing can be alive. */
  hostBootId: z.string().max(64),
});
type Record = z.infer<typeof Record>;

export interface MachinePaths {
  readonly folder: string;
  readonly home: string;
  readonly socket: string;
  readonly log: string;
}

/** The scratch folder of the process driver: one folder a machine, named by its id. */
export class ProcessFolder {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    const longest = Buffer.byteLength(join(directory, "0".repeat(16), "agent.sock"));
    if (longest > MAX_SOCKET_PATH) {
      throw new PlatformError(
        "INTERNAL",
        `${directory} is too long for a socket's path: ${longest} > ${MAX_SOCKET_PATH} bytes`,
      );
    }
  }

  paths(machineId: MachineId): MachinePaths {
    const folder = join(this.#directory, machineId);
    return {
      folder,
      home: join(folder, "home"),
      socket: join(folder, "agent.sock"),
      log: join(folder, "agent.log"),
    };
  }

  /** Rejects with the system's error EEXIST when the machine is there already. */
  async create(machineId: MachineId, environmentId: string | null): Promise<MachinePaths> {
    const paths = this.paths(machineId);
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await mkdir(paths.folder, { mode: 0o700 });
    const record: Record = { version: 1, environmentId, hostBootId: await hostBootId() };
    const file = join(paths.folder, "machine.json");
    await writeFile(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
    await rename(`${file}.new`, file);
    await mkdir(paths.home, { mode: 0o700 });
    return paths;
  }

  /** The record, or null when the folder has none that can be read: its maker died before it was written. */
  async read(machineId: MachineId): Promise<Record | null> {
    const text = await readFile(join(this.paths(machineId).folder, "machine.json"), "utf8").catch(() => "");
    try {
      return Record.parse(JSON.parse(text));
    } catch {
      return null;
    }
  }

  async list(): Promise<readonly MachineId[]> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return [];
      throw error;
    });
    return names.filter((name) => MachineId.safeParse(name).success).map((name) => MachineId.parse(name));
  }

  /** Removes a machine's folder; resolves with what it held. */
  async remove(machineId: MachineId): Promise<{ readonly sockets: number; readonly files: number }> {
    const { folder, socket } = this.paths(machineId);
    const isThere = async (path: string): Promise<boolean> =>
      stat(path).then(
        () => true,
        () => false,
      );
    const sockets = (await isThere(socket)) ? 1 : 0;
    const files = (await isThere(folder)) ? (await readdir(folder)).length - sockets : 0;
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    return { sockets, files };
  }
}

export async function hostBootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}
