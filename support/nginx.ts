import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, resolve } from "node:path";
import { poll } from "./server.ts";

const EXAMPLE = resolve(import.meta.dirname, "../docs/examples/nginx.conf");
/** Where Debian's packages put it, which is not on every user's PATH. */
const PATH = `${process.env.PATH}:/usr/sbin`;

export interface TestNginx {
  /** What it wrote to its log. */
  log(): string;
  stop(): Promise<void>;
}

/** A port that nobody listens on at that address now. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => server.once("error", fail).listen(0, host, done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/**
 * Runs nginx with the example of the documentation, in which every text of `replacements` stands and is replaced by its value. It keeps
 * its files in `folder`. Resolves once it accepts connections at `host` and `port`.
 */
export async function startNginx(
  folder: string,
  { host, port, replacements }: { host: string; port: number; replacements: Readonly<Record<string, string>> },
): Promise<TestNginx> {
  let example = readFileSync(EXAMPLE, "utf8");
  for (const [text, value] of Object.entries(replacements)) {
    if (!example.includes(text)) throw new Error(`the example has no ${text}`);
    example = example.replaceAll(text, value);
  }
  const errors = join(folder, "error.log");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  mkdirSync(join(folder, "temp"));
  const main = [
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${errors} warn;`,
    "events {}",
    "http {",
    `access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/temp/${name};`).join(" ")}`,
    example,
    "}",
  ];
  const config = join(folder, "main.conf");
  writeFileSync(config, main.join("\n"));
  const child: ChildProcess = spawn("nginx", ["-p", folder, "-c", config, "-e", errors], {
    env: { PATH },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  await poll("nginx", async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${said}`);
    return accepts(host, port);
  });
  return {
    log: () => readFileSync(errors, "utf8"),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, host);
    const end = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
