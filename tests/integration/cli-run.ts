import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { poll, type TestServer } from "../../support/server.ts";

const CLI = join(import.meta.dirname, "../../packages/cli/src/main.ts");
const run = promisify(execFile);

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliCall {
  readonly stdin?: Buffer | string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Sees the process while it runs. */
  readonly during?: (child: ChildProcess) => void;
}

/** The environment of a person's shell whose CLI finds `server` by its data folder. */
function shellEnv(data: string): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, LANG: "C.UTF-8", TERM: "xterm-256color", MICROTERM_DATA: data };
}

/** Runs the CLI as a process of its own, without a terminal. */
export function cli(server: Pick<TestServer, "data">, args: readonly string[], call: CliCall = {}): Promise<Ran> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: call.cwd,
    env: { ...shellEnv(server.data), ...call.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  let stderr = "";
  child.stdout.on("data", (bytes: Buffer) => stdout.push(bytes));
  child.stderr.on("data", (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  // A command that does not read its input closes it.
  child.stdin.on("error", () => {});
  child.stdin.end(call.stdin ?? "");
  call.during?.(child);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout: Buffer.concat(stdout), stderr }));
  });
}

/** As {@link cli}, failing unless it succeeds; resolves with what it printed. */
export async function cliOk(server: TestServer, args: readonly string[], call: CliCall = {}): Promise<string> {
  const { code, stdout, stderr } = await cli(server, args, call);
  if (code !== 0) throw new Error(`microterm ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout.toString();
}

export async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A real terminal with a shell in it, as a person has one: a pane of a private tmux. */
export class Pane {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  static async open(server: TestServer): Promise<Pane> {
    const folder = await tempFolder();
    const pane = new Pane(join(folder, "tmux"));
    await run(
      "tmux",
      ["-S", pane.#socket, "-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "env", "PS1=here$ ", "sh"],
      {
        env: { ...shellEnv(server.data), TERM: "screen-256color" },
      },
    );
    onTestFinished(async () => {
      await pane.#tmux("kill-server").catch(() => {});
    });
    await pane.waitFor(/here\$/);
    return pane;
  }

  async #tmux(...args: string[]): Promise<string> {
    return (await run("tmux", ["-S", this.#socket, ...args])).stdout;
  }

  /** Types keys by tmux's names (`Enter`, `C-p`). */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** Types text and Enter. */
  async line(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
    await this.#tmux("send-keys", "Enter");
  }

  async screen(): Promise<string> {
    return this.#tmux("capture-pane", "-p", "-S", "-200");
  }

  async waitFor(pattern: RegExp): Promise<string> {
    let screen = "";
    try {
      await poll(
        `${pattern} on the screen`,
        async () => {
          screen = await this.screen();
          return pattern.test(screen);
        },
        90_000,
      );
    } catch (error) {
      throw new Error(`${String(error)}; it shows:\n${screen}`);
    }
    return screen;
  }

  /** What tmux knows of the pane, like `alternate_on`. */
  async format(name: string): Promise<string> {
    return (await this.#tmux("display-message", "-p", `#{${name}}`)).trim();
  }

  /** The terminal's line settings, as stty(1) has them, without its size. */
  async settings(): Promise<string> {
    const { stdout } = await run("stty", ["-a", "-F", await this.format("pane_tty")]);
    return stdout.replace(/rows \d+; columns \d+; /, "");
  }

  /** The process id of the CLI in the pane. */
  async cliPid(): Promise<number> {
    const { stdout } = await run("ps", ["-o", "pid=,args=", "-t", await this.format("pane_tty")]);
    const line = stdout.split("\n").find((text) => text.includes(CLI));
    if (line === undefined) throw new Error(`no CLI runs in the pane: ${stdout}`);
    return Number.parseInt(line, 10);
  }

  async resize(cols: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(cols), "-y", String(rows));
  }
}

/** The command line of the CLI, for a shell. */
export const command = (args: string): string => `${process.execPath} ${CLI} ${args}`;
