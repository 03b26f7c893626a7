import { readdirSync } from "node:fs";
import { findMarked } from "@microterm/host";
import { expect, it, onTestFinished } from "vitest";
import { type PostgresCluster, startPostgres } from "../../support/postgres-cluster.ts";
import { poll, ServerDidNotStart, startServer, type TestServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

/** A server on a PostgreSQL of its own. */
async function serve(): Promise<{ readonly server: TestServer; readonly cluster: PostgresCluster }> {
  const cluster = await startPostgres();
  onTestFinished(() => cluster.remove());
  const server = await startServer({ env: { DATABASE_URL: cluster.url("postgres") } });
  onTestFinished(async () => {
    expect(await server.dispose()).toEqual([]);
  });
  return { server, cluster };
}

const machines = ({ data }: TestServer): readonly string[] => readdirSync(`${data}/server/process`);

async function killAgent({ data }: TestServer, machine: string): Promise<void> {
  const entry = await findMarked(`MICROTERM_MACHINE=${machine}`, `unix:${data}/server/process/${machine}/agent.sock`);
  process.kill(entry?.pid as number, "SIGKILL");
}

it.each(["crash", "freeze"] as const)(
  "a database that is away (%s) takes no terminal with it, and is back without a restart",
  async (end) => {
    const { server, cluster } = await serve();
    await server.environment("dying");
    const [dying = ""] = machines(server);
    const shown = await server.environment("shown");
    const stopping = await server.environment("stopping");
    const terminal = new TerminalClient(server, shown.id, shown.terminals[0].id);
    await terminal.opened();
    terminal.type("echo be''fore\n");
    await terminal.until("before");
    const before = server.pid;

    const begun = Promise.all([
      server.call("POST", "/v1/environments", { body: { name: "begun" } }),
      server.call("POST", `/v1/environments/${stopping.id}/stop`),
    ]);
    await cluster[end]();
    await begun;
    await killAgent(server, dying);
    for (let tries = 0; tries < 3; tries++) {
      const refused = await server.call("POST", "/v1/environments", { body: { name: "refused" } });
      expect(refused.json).toMatchObject({ status: 503, code: "DATABASE_UNAVAILABLE", retryable: true });
      terminal.type(`echo wh''ile${tries}\n`);
      await terminal.until(`while${tries}`);
    }
    expect((await server.call("GET", "/healthz")).status).toBe(200);
    await poll("the server not to be ready", async () => (await server.call("GET", "/readyz")).status === 503);

    await (end === "crash" ? cluster.start() : cluster.thaw());
    await poll("the server to be ready again", async () => (await server.call("GET", "/readyz")).status === 200);
    expect((await server.environment("after")).state).toBe("running");
    const states = async () => {
      const { environments } = await server.ok("GET", "/v1/environments");
      return Object.fromEntries(
        environments.map((one: { name: string; state: string; operation: string | null }) => [
          one.name,
          `${one.state} ${one.operation}`,
        ]),
      );
    };
    // What died meanwhile is written down by the recovery, which goes on beside requests.
    await poll("the dead one to have failed, and nothing to be under way", async () => {
      const now = await states();
      return now.dying === "failed null" && Object.values(now).every((state) => String(state).endsWith(" null"));
    });
    const settled = await states();
    expect(settled).toMatchObject({ shown: "running null", after: "running null" });
    expect(["running null", "stopped null"]).toContain(settled.stopping);
    expect(["running null", undefined]).toContain(settled.begun);
    terminal.type("echo af''ter\n");
    await terminal.until("after");
    expect(terminal.jumps).toEqual([]);
    expect(server.pid).toBe(before);
    await terminal.close();
  },
);

it("a server that is told to stop while its database answers nothing stops", async () => {
  const { server, cluster } = await serve();
  await cluster.freeze();
  const refused = await server.call("GET", "/v1/environments");
  expect(refused.status).toBe(503);
  expect(await server.kill("SIGTERM")).toBe(0);
  await cluster.thaw();
});

it("a server whose database is not there says so and does not start; one that has another server is refused", async () => {
  const { cluster } = await serve();
  const absent = startServer({ env: { DATABASE_URL: cluster.url("absent") } });
  await expect(absent).rejects.toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('database "absent" does not exist'),
  });
  const second = await startServer({ env: { DATABASE_URL: cluster.url("postgres") } }).catch((error: unknown) => error);
  expect(second).toBeInstanceOf(ServerDidNotStart);
  expect(second).toMatchObject({ exitCode: 3, stderr: "another microterm server is running on this database" });
});
