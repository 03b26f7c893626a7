import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { auditRow } from "@microterm/core/testing";
import {
  type Account,
  type AuditEntry,
  EXEC_SUBPROTOCOL,
  FRAME,
  startPieces,
  TERMINAL_SUBPROTOCOL,
} from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";
import { invite, openBrowser, PASSWORD } from "../../support/people.ts";
import { addOwner } from "../../support/second-owner.ts";
import { type Answer, poll, startServer, type TestServer } from "../../support/server.ts";
import { cli } from "./cli-run.ts";

const MIB = 1024 * 1024;

let server: TestServer;
let environment: string;
beforeAll(async () => {
  server = await startServer();
  environment = (await server.environment("work")).id;
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const databaseOf = ({ data }: TestServer): DatabaseSync => {
  const database = new DatabaseSync(join(data, "server/microterm.db"));
  onTestFinished(() => database.close());
  return database;
};
const entriesOf = async (query: string, of = server): Promise<readonly AuditEntry[]> =>
  (await of.ok("GET", `/v1/audit?${query}`)).entries;
const exec = (body: object, call: object = {}) =>
  server.call("POST", `/v1/environments/${environment}/exec`, { body, ...call });

describe("the audit log", () => {
  it("tells who did what to which, from where it came, and how it ended", async () => {
    const { id } = await server.ok("POST", "/v1/environments", { name: "told", memoryMib: 128 });
    await poll("the state", async () => (await server.ok("GET", `/v1/environments/${id}`)).state === "running");
    await server.ok("PATCH", `/v1/environments/${id}`, { idleTimeoutSeconds: 60, ttlSeconds: 3600 });
    await server.ok("POST", `/v1/environments/${id}/exec`, { command: ["/bin/echo", "one", "two"] });
    await server.ok("POST", `/v1/environments/${id}/exec`, { command: ["/no/such"] });
    const file = "/files/content?path=/tmp/of-the-audit-log";
    expect((await server.call("PUT", `/v1/environments/${id}${file}`, { raw: "text" })).status).toBe(201);
    expect((await server.call("GET", `/v1/environments/${id}${file}`)).text).toBe("text");
    expect((await server.call("DELETE", `/v1/environments/${id}${file.replace("/content", "")}`)).status).toBe(204);
    expect((await server.call("GET", `/v1/environments/${id}${file}`)).status).toBe(404);
    const terminal = await server.ok("POST", `/v1/environments/${id}/terminals`, {});
    expect((await server.call("DELETE", `/v1/environments/${id}/terminals/${terminal.id}`)).status).toBe(204);
    await server.ok("POST", `/v1/environments/${id}/stop`);
    await poll("the state", async () => (await server.ok("GET", `/v1/environments/${id}`)).state === "stopped");
    expect((await server.call("POST", `/v1/environments/${id}/resume`)).json.code).toBe("ENVIRONMENT_STATE");
    await server.ok("POST", `/v1/environments/${id}/start`);
    await server.ok("DELETE", `/v1/environments/${id}`);
    expect((await server.call("POST", "/v1/environments/told/exec", { body: { command: ["true"] } })).status).toBe(404);

    const found = [...(await entriesOf("environment=told&limit=200"))].reverse();
    expect(found.map(({ action, outcome, code }) => [action, outcome, ...(code === null ? [] : [code])])).toEqual([
      ["environment.created", "done"],
      ["environment.changed", "done"],
      ["exec", "begun"],
      ["exec", "done"],
      ["exec", "begun"],
      ["exec", "failed"],
      ["file.upload", "begun"],
      ["file.upload", "done"],
      ["file.download", "begun"],
      ["file.download", "done"],
      ["file.remove", "begun"],
      ["file.remove", "done"],
      ["file.download", "begun"],
      ["file.download", "failed", "FILE_NOT_FOUND"],
      ["terminal.opened", "begun"],
      ["terminal.opened", "done"],
      ["terminal.closed", "begun"],
      ["terminal.closed", "done"],
      ["environment.stopped", "done"],
      ["environment.started", "done"],
      ["environment.destroyed", "done"],
      ["exec", "refused", "ENVIRONMENT_NOT_FOUND"],
    ]);
    expect(found.map(({ detail }) => detail)).toMatchObject([
      { memoryMib: 128 },
      { idleTimeoutSeconds: 60, ttlSeconds: 3600 },
      { program: "echo", arguments: 2 },
      { end: "exited" },
      { program: "such", arguments: 0 },
      { end: "not-started" },
      ...Array.from({ length: 8 }, (_, at) => (at % 2 === 0 ? { path: "/tmp/of-the-audit-log" } : {})),
      ...[{ terminal: terminal.id }, {}, { terminal: terminal.id }, {}, {}, {}, {}, {}],
    ]);
    expect(found[0]).toMatchObject({
      account: { name: "admin" },
      via: "data-folder",
      environment: { id, name: "told" },
    });
    // By its id, what was refused under that.
    expect(await entriesOf(`environment=${id}&action=environment.resumed`)).toMatchObject([
      { outcome: "refused", code: "ENVIRONMENT_STATE", target: id, environment: null },
    ]);
  });

  it("tells who was attached to which terminal", async () => {
    const [{ id: terminal }] = (await server.ok("GET", `/v1/environments/${environment}/terminals`)).terminals;
    const address = `${server.url.replace("http", "ws")}/v1/environments/${environment}/terminals/${terminal}/attach`;
    const headers = { authorization: `Bearer ${server.token}` };
    const socket = new WebSocket(`${address}?role=viewer`, TERMINAL_SUBPROTOCOL, { headers });
    await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    socket.close();
    const attached = () => entriesOf("action=terminal.attached&outcome=done");
    await poll("the entry", async () => (await attached()).length === 1);
    expect(await attached()).toMatchObject([
      { detail: { terminal, role: "viewer" }, environment: { id: environment } },
    ]);
  });

  it("tells what the server did by itself", async () => {
    await server.ok("POST", "/v1/environments", { name: "expiring", memoryMib: 128, ttlSeconds: 60 });
    await server.ok("PATCH", "/v1/environments/expiring", { ttlSeconds: 1 });
    const removed = () => entriesOf("environment=expiring&action=environment.destroyed");
    await poll("its end", async () => (await removed()).length === 1);
    expect(await removed()).toMatchObject([
      { account: null, via: "server", outcome: "done", detail: { reason: "its time to live was over" } },
    ]);
  });

  it("has no secret in it, whichever way one came", async () => {
    const canary = (what: string) => `canary-${what}-x7q`;
    const link = await server.ok("POST", "/v1/links");
    const session = await server.call("POST", "/v1/session", {
      token: null,
      body: { token: link.token },
      headers: { origin: server.url },
    });
    const cookie = session.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    await exec(
      {
        command: ["sh", "-c", `echo ${canary("argument")}`, canary("argument")],
        env: { SECRET: canary("variable") },
        stdin: canary("stdin"),
        cwd: `/tmp/${canary("cwd")}`,
      },
      { headers: { "x-secret": canary("header"), "idempotency-key": canary("key") } },
    );
    await exec({ command: [`SECRET=${canary("assigned")} make`] });
    await exec({ command: [`curl -H ${canary("line")} https://example.org/${canary("line")}`] });
    await server.call("GET", `/v1/environments/${environment}/metrics?secret=${canary("query")}`);
    await server.call("GET", `/v1/environments/${environment}?secret=${canary("query")}`, { token: canary("token") });
    await server.call("POST", "/v1/session", { token: null, body: { token: canary("link") } });
    const terminal = await server.ok("POST", `/v1/environments/${environment}/terminals`, {
      command: ["sh", "-c", `echo ${canary("command")}; sleep 60`],
    });
    const shared = await server.call("POST", `/v1/environments/${environment}/previews/links`, {
      body: { port: 3000, ttlSeconds: 60 },
    });
    await server.ok("GET", `/v1/environments/${environment}/terminals`);
    await server.call("DELETE", `/v1/environments/${environment}/terminals/${terminal.id}`);
    const table = JSON.stringify(databaseOf(server).prepare("select * from audit").all());
    expect(table).toContain("preview-link.created");
    const secrets = [link.token, session.json.key, cookie.split("=")[1], server.token, shared.json.url?.split("=")[1]];
    for (const secret of secrets) expect(secret?.length).toBeGreaterThan(20);
    for (const secret of [...secrets, "canary", "SECRET", "x7q"]) {
      if (secret === "SECRET") expect(table).toContain('\\"program\\":\\"SECRET\\"');
      else expect(table).not.toContain(secret);
    }
  });

  it("has the arguments of programs where the instance keeps them", async () => {
    const other = await startServer({ args: ["--audit-arguments"] });
    onTestFinished(async () => expect(await other.dispose()).toEqual([]));
    await other.environment("work");
    await other.ok("POST", "/v1/environments/work/exec", { command: ["sh", "-c", "true"], env: { A: "canary" } });
    const [, begun] = await entriesOf("action=exec", other);
    expect(begun?.detail).toEqual({ program: "sh", arguments: 2, argv: ["sh", "-c", "true"] });
  });
});

describe("without an entry", () => {
  /** Nothing can be written into the log until the test ends. */
  function breakLog(): void {
    inDatabase("create trigger broken before insert on audit begin select raise(abort, 'broken'); end");
    onTestFinished(repairLog);
  }
  const repairLog = (): void => inDatabase("drop trigger if exists broken");
  function inDatabase(statement: string): void {
    const database = new DatabaseSync(join(server.data, "server/microterm.db"));
    database.exec(statement);
    database.close();
  }
  const exists = (path: string) =>
    server.call("GET", `/v1/environments/${environment}/files/stat?path=${path}`).then(({ status }) => status === 200);

  it("no program is run over HTTP, no file is copied and no environment made", async () => {
    breakLog();
    expect(await exec({ command: ["touch", "/tmp/not-over-http"] })).toMatchObject({ status: 500 });
    const path = `/v1/environments/${environment}/files/content?path=/tmp/not-copied`;
    expect(await server.call("PUT", path, { raw: "text" })).toMatchObject({ status: 500 });
    expect(await server.call("POST", "/v1/environments", { body: { name: "unwritten" } })).toMatchObject({
      status: 500,
    });
    expect(await server.call("GET", "/v1/environments/unwritten")).toMatchObject({ status: 404 });
    expect(await exists("/tmp/not-over-http")).toBe(false);
    expect(await exists("/tmp/not-copied")).toBe(false);
    // What is only read goes on.
    expect(await server.call("GET", `/v1/environments/${environment}`)).toMatchObject({ status: 200 });
  });

  it("no program is run over a WebSocket", async () => {
    breakLog();
    const socket = new WebSocket(
      `${server.url.replace("http", "ws")}/v1/environments/${environment}/exec`,
      EXEC_SUBPROTOCOL,
      {
        headers: { authorization: `Bearer ${server.token}` },
      },
    );
    const closed = new Promise<number>((resolve) => socket.on("close", resolve));
    socket.on("open", () => {
      const request = { command: ["touch", "/tmp/not-over-websocket"], tty: null };
      for (const piece of startPieces(Buffer.from(JSON.stringify(request)))) {
        socket.send(Buffer.concat([Buffer.of(FRAME.start), piece]));
      }
    });
    expect(await closed).toBe(1011);
    expect(await exists("/tmp/not-over-websocket")).toBe(false);
  });

  it("nobody looks into another's terminal, is let in, or changes an account; who can sign in still does", async () => {
    const code = (await server.ok("POST", "/v1/invitations", {})).code;
    const ann = await invite(server, "ann");
    const { id } = (await ann.call("POST", "/v1/environments", { name: "anns" })).json;
    await poll("the state", async () => (await server.ok("GET", `/v1/environments/${id}`)).state === "running");
    const [{ id: terminal }] = (await ann.call("GET", `/v1/environments/${id}/terminals`)).json.terminals;
    const link = (await server.ok("POST", "/v1/links", { account: "ann" })).token;
    breakLog();
    const bob = { code, name: "bob", password: PASSWORD };
    const calls: readonly Promise<Answer>[] = [
      server.call("POST", `/v1/admin/environments/${id}/terminals/${terminal}/look-in`),
      ann.call("POST", `/v1/environments/${id}/terminals/${terminal}/shares`, {}),
      ann.call("POST", "/v1/account/tokens", { name: "ci", scopes: ["exec"], expiresInSeconds: null }),
      openBrowser(server).call("POST", "/v1/invitations/accept", bob),
      server.call("PATCH", "/v1/accounts/ann", { body: { disabled: true } }),
    ];
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([500, 500, 500, 500, 500]);
    const made = await Promise.all([
      server.ok("GET", "/v1/shared"),
      ann.call("GET", `/v1/environments/${id}/shares`).then(({ json }) => json),
      ann.call("GET", "/v1/account/tokens").then(({ json }) => json),
    ]);
    expect(made).toEqual([{ terminals: [] }, { shares: [] }, { tokens: [] }]);
    const { accounts } = await server.ok("GET", "/v1/accounts");
    expect(accounts.map(({ name, disabledAt }: Account) => [name, disabledAt])).toContainEqual(["ann", null]);
    expect(accounts.map(({ name }: Account) => name)).not.toContain("bob");
    for (const given of [{ name: "ann", password: PASSWORD }, { token: link }]) {
      const browser = openBrowser(server);
      expect((await browser.call("POST", "/v1/session", given)).status).toBe(200);
      expect((await browser.call("GET", "/v1/session")).json.account.name).toBe("ann");
    }
    repairLog();
    expect((await server.call("DELETE", `/v1/environments/${id}`)).status).toBe(200);
  });

  it("no change is made when the server is killed with -9 between the two", async () => {
    const fault = { args: ["--test-faults"], env: { MICROTERM_FAULT: "audit.entry" } };
    const first = await startServer(fault);
    await expect(first.call("POST", "/v1/environments", { body: { name: "between" } })).rejects.toThrow();
    await first.ended;
    const next = await startServer({ data: first.data, ...fault });
    onTestFinished(async () => expect(await next.dispose()).toEqual([]));
    expect(await next.call("GET", "/v1/environments/between")).toMatchObject({ status: 404 });
    expect(await entriesOf("", next)).toEqual([]);
    await next.environment("between");
    expect(await entriesOf("environment=between", next)).toMatchObject([{ action: "environment.created" }]);
  });
});

describe("reading it", () => {
  it("is for admins alone", async () => {
    const { token } = await addOwner(server.data, "memberofmine");
    for (const path of ["/v1/audit", "/v1/audit/export"]) {
      expect(await server.call("GET", path, { token })).toMatchObject({ status: 403, json: { code: "FORBIDDEN" } });
      expect(await server.call("GET", path, { token: null })).toMatchObject({ status: 401 });
    }
  });

  it.each([
    ...[
      "limit=0",
      "limit=201",
      "limit=x",
      "cursor=x",
      "cursor=%00",
      "action=unknown",
      "outcome=maybe",
      "from=yesterday",
    ],
    ...[`account=${"x".repeat(33)}`, "account=", "unknown=1", "to=2026-13-01T00:00:00Z", "address="],
  ])("refuses what is no filter: %s", async (query) => {
    expect((await server.call("GET", `/v1/audit?${query}`)).status).toBe(400);
  });

  it("gives whatever is asked for as a value, and nothing of others", async () => {
    for (const query of ["account=%25", "account='--", "environment=%22%29%3B", "address=%E2%80%AEabc"]) {
      expect(await entriesOf(query)).toEqual([]);
    }
  });

  it("prints hostile names so that nothing of them acts upon a terminal", async () => {
    const hostile = "\u001b]0;owned\u0007\u001b[31mred\u202eevil\u009b2J\nnext";
    const path = `/v1/environments/${environment}/files/content?path=${encodeURIComponent(`/tmp/${hostile}`)}`;
    await server.call("GET", path);
    await exec({ command: [`/tmp/${hostile}`] });
    for (const args of [[], ["-o", "json"], ["-o", "jsonl"], ["--action", "exec", "-n", "1"]]) {
      const { code, stdout } = await cli(server, ["audit", ...args]);
      expect(code).toBe(0);
      expect(stdout.toString()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    }
    const { stdout } = await cli(server, [
      "audit",
      "-o",
      "jsonl",
      "--action",
      "file.download",
      "--environment",
      "work",
    ]);
    const [, begun] = stdout.toString().trimEnd().split("\n");
    expect(JSON.parse(begun ?? "").detail).toEqual({ path: `/tmp/${hostile}` });
    expect((await cli(server, ["audit", "--from", "1d", "--to", "2020-01-01"])).stderr).toBe("No entries.\n");
    for (const wrong of [
      ["--from", "soon"],
      ["--action", "x"],
      ["-n", "0"],
      ["--outcome", "x"],
    ]) {
      expect((await cli(server, ["audit", ...wrong])).code).toBeGreaterThan(0);
    }
  });

  it("exports a hundred thousand entries to a slow reader without holding them", async () => {
    const other = await startServer();
    onTestFinished(async () => expect(await other.dispose()).toEqual([]));
    const database = databaseOf(other);
    const insert = database.prepare(
      "insert into audit (id, at, action, outcome, via, count, detail) values (?, ?, 'exec', 'done', 'server', 1, ?)",
    );
    const detail = JSON.stringify({ path: "x".repeat(2000) });
    database.exec("begin");
    const begin = Date.now() - 3_600_000;
    for (let number = 0; number < 100_000; number += 1) {
      const { id, at } = auditRow(begin + number);
      insert.run(id, at, detail);
    }
    database.exec("commit");
    const memory = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${other.pid}/status`, "utf8"))?.[1]);
    /** At half of it, when what a process has to have for it is there. */
    let half = 0;
    let most = 0;
    let lines = 0;
    let reads = 0;
    const answer = await new Promise<import("node:http").IncomingMessage>((resolve, reject) => {
      get(`${other.url}/v1/audit/export`, { headers: { authorization: `Bearer ${other.token}` } }, resolve).on(
        "error",
        reject,
      );
    });
    for await (const bytes of answer) {
      lines += (bytes as Buffer).filter((byte) => byte === 10).length;
      if (++reads % 50 !== 0) continue;
      if (lines < 50_000) half = memory();
      else most = Math.max(most, memory());
    }
    // And the entry of the export itself.
    expect(lines).toBe(100_001);
    expect(half).toBeGreaterThan(0);
    // Of 100 MB that come after that.
    expect(most - half).toBeLessThan(32 * MIB);
  }, 120_000);
});
