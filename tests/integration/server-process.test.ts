import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  poll,
  type ServerDidNotStart,
  startServer,
  type TestServer,
  type TestServerOptions,
} from "../../support/server.ts";
import { makeTempFolder } from "../../support/temp-folder.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(async () => {
    expect(await server.dispose()).toEqual([]);
  });
  return server;
}

const refused = (options: TestServerOptions): Promise<ServerDidNotStart> =>
  startServer(options).then(
    () => Promise.reject(new Error("the server started")),
    (error: ServerDidNotStart) => error,
  );

describe("a server process", () => {
  it("leaves its whereabouts to its own user alone, and takes them away", async () => {
    const server = await start();
    const folder = join(server.data, "server");
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder).filter((name) => statSync(join(folder, name)).isFile())) {
      expect([file, statSync(join(folder, file)).mode & 0o077]).toEqual([file, 0]);
    }
    expect(JSON.parse(readFileSync(join(folder, "server.json"), "utf8"))).toMatchObject({
      url: server.url,
      pid: server.pid,
    });
    expect(await server.kill("SIGTERM")).toBe(0);
    expect(existsSync(join(folder, "server.json"))).toBe(false);
    const log = readFileSync(join(folder, "server.log"), "utf8");
    expect(log).toContain("listening");
    expect(log).not.toContain(server.token);
  });

  it("listens on the two loopback addresses alone", async () => {
    const server = await start();
    const port = server.port.toString(16).toUpperCase().padStart(4, "0");
    const listeners = ["/proc/net/tcp", "/proc/net/tcp6"]
      .flatMap((table) => readFileSync(table, "utf8").split("\n"))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === "0A" && fields[1]?.endsWith(`:${port}`));
    expect(listeners.map((fields) => fields[1])).toEqual([
      `0100007F:${port}`,
      `00000000000000000000000001000000:${port}`,
    ]);
  });

  it("refuses to be the second on a data folder", async () => {
    const server = await start();
    const second = await refused({ data: server.data });
    expect([second.exitCode, second.stderr]).toEqual([3, expect.stringContaining("another microterm server")]);
    expect((await server.call("GET", "/readyz")).status).toBe(200);
  });

  it("says who has its port, and which is free", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as { port: number };
    const folder = await makeTempFolder();
    onTestFinished(folder.remove);
    const { exitCode, stderr } = await refused({ data: folder.path, args: ["--port", String(port)] });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(
      new RegExp(`Port ${port} is used by .+ \\(pid ${process.pid}\\)\\. Try: \\./microterm up --port \\d+`),
    );
  });

  it("names every fault of its configuration at once", async () => {
    const folder = await makeTempFolder();
    onTestFinished(folder.remove);
    const args = ["--port", "70000", "--image", "abcdefgh", "--agent", "/no/such/file", "--what"];
    const { exitCode, stderr } = await refused({ data: folder.path, args, env: { MICROTERM_FAULT: "create.row" } });
    expect(exitCode).toBe(2);
    for (const option of ["--port", "--image", "--agent", "--what"]) expect(stderr).toContain(option);
  });

  it("has another bearer token at each start, and the sessions of before", async () => {
    const first = await start();
    const link = await first.ok("POST", "/v1/links");
    const signedIn = await first.call("POST", "/v1/session", { token: null, body: { token: link.token } });
    const cookie = String(signedIn.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
    const before = first.token;
    expect(await first.kill("SIGKILL")).toBeNull();
    const second = await start({ data: first.data });
    // Who has caught the one of before, on a port that a crash had left free, opens nothing with it.
    expect(second.token).not.toBe(before);
    expect((await second.call("GET", "/v1/session", { token: before })).status).toBe(401);
    // The cookie's name has the port in it, which is another one here.
    const kept = cookie.replace(/_\d+=/, `_${second.port}=`);
    const headers = { cookie: kept, "x-microterm-session": JSON.parse(signedIn.text).key };
    expect((await second.call("GET", "/v1/session", { token: null, headers })).status).toBe(200);
  });

  it("sends its clients away with 1012 and leaves the programs running", async () => {
    const first = await start();
    const { id } = await first.environment();
    const { id: terminal } = await first.ok("POST", `/v1/environments/${id}/terminals`, {
      command: ["sh", "-c", "i=0; while :; do echo $((i=i+1)); sleep 0.01; done"],
    });
    const before = await new TerminalClient(first, id, terminal).opened();
    await before.until("\n5\r\n");
    expect(await first.kill("SIGTERM")).toBe(0);
    expect((await before.ended).code).toBe(1012);

    const second = await start({ data: first.data });
    const after = new TerminalClient(second, id, terminal, { from: before.offset });
    await after.until(/\n\d+\r\n\d+\r\n\d+\r\n/);
    const numbers = (before.text + after.text).trim().split("\r\n").map(Number);
    expect(numbers.slice(0, -1)).toEqual(Array.from({ length: numbers.length - 1 }, (_, index) => index + 1));
    await after.close();
  });

  it("loses no byte when it is killed while a program prints", async () => {
    let server = await start();
    const { data } = server;
    const { id } = await server.environment();
    const { id: terminal } = await server.ok("POST", `/v1/environments/${id}/terminals`, {
      command: ["sh", "-c", "seq 1 2000 | while read i; do echo $i; sleep 0.002; done; echo END; exec sleep 1000"],
    });
    let text = "";
    let from: bigint | undefined;
    for (let round = 0; round < 3; round++) {
      const client = await new TerminalClient(server, id, terminal, from === undefined ? {} : { from }).opened();
      // On a busy host all of it may have come before the last round.
      await poll("some output", () => client.received > 300 || `${text}${client.text}`.includes("END"));
      await server.kill("SIGKILL");
      await client.ended;
      text += client.text;
      from = client.offset;
      server = await start({ data });
    }
    const last = new TerminalClient(server, id, terminal, { from: from ?? 0n });
    await poll("the end", () => `${text}${last.text}`.includes("END"));
    const lines = (text + last.text).split("\r\n");
    expect(lines.slice(0, 2001)).toEqual([...Array.from({ length: 2000 }, (_, index) => String(index + 1)), "END"]);
    await last.close();
  });

  it("kills itself once at a named point, for the tests of recovery", async () => {
    const folder = await makeTempFolder();
    onTestFinished(folder.remove);
    const options = { data: folder.path, args: ["--test-faults"], env: { MICROTERM_FAULT: "create.row" } };
    const first = await startServer(options);
    await first.call("POST", "/v1/environments", { body: { name: "survivor" } }).catch(() => undefined);
    expect(await first.kill("SIGCONT")).toBeNull();
    const second = await start(options);
    const survivor = await second.ok("GET", "/v1/environments/survivor/wait");
    expect(survivor.state).toBe("running");
    await second.environment("another");
  });

  it("refuses a fault that was not asked for on the command line", async () => {
    const folder = await makeTempFolder();
    onTestFinished(folder.remove);
    const { exitCode, stderr } = await refused({ data: folder.path, env: { MICROTERM_FAULT: "create.row" } });
    expect([exitCode, stderr]).toEqual([2, "MICROTERM_FAULT needs --test-faults"]);
  });

  it("stays below 200 MB with ten environments and terminals", async () => {
    const server = await start();
    const clients = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const { id, terminals } = await server.environment();
        return new TerminalClient(server, id, terminals[0].id).opened();
      }),
    );
    for (const client of clients) {
      client.type("echo hel''lo\n");
      await client.until("hello");
    }
    const status = readFileSync(`/proc/${server.pid}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])).toBeLessThan(200_000);
    for (const client of clients) await client.close();
  });
});
