import { createHash } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import { TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import { createSqliteStorage } from "@microterm/storage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type Call, exposed, poll, startServer, type TestServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  expect(await server.dispose()).toEqual([]);
});

const outcome = ({ status, json }: Answer): readonly unknown[] => [status, json?.code];
const origin = (): string => `http://localhost:${server.port}`;
const link = async (): Promise<string> => (await server.ok("POST", "/v1/links")).token;
const exchange = (token: string, headers: Call["headers"] = {}): Promise<Answer> =>
  server.call("POST", "/v1/session", { token: null, body: { token }, headers });

/** What a page sends: the cookie, and the key that is not sent to other ports. */
async function signIn(): Promise<{ readonly cookie: string; readonly "x-microterm-session": string }> {
  const answer = await exchange(await link());
  expect(answer.status).toBe(200);
  const cookie = String(answer.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
  return { cookie, "x-microterm-session": JSON.parse(answer.text).key };
}

describe("credentials", () => {
  it("are needed for everything but health, sign-in, the page and its description", async () => {
    const paths = [
      "/v1/environments",
      "/v1/environments/x",
      "/v1/host",
      "/v1/session",
      "/v1/events",
      "/v1/environments/x/exec",
    ];
    for (const path of paths) {
      expect([path, ...outcome(await server.call("GET", path, { token: null }))]).toEqual([
        path,
        401,
        "UNAUTHENTICATED",
      ]);
    }
    for (const path of ["/healthz", "/readyz", "/openapi.json"]) {
      expect([path, (await server.call("GET", path, { token: null })).status]).toEqual([path, 200]);
    }
  });

  it.each(["wrong", "x".repeat(5000), "Zm9v", "%00"])("are not guessed by %.20s", async (token) => {
    expect(outcome(await server.call("GET", "/v1/host", { token }))).toEqual([401, "UNAUTHENTICATED"]);
    const headers = { cookie: `microterm_session_${server.port}=${token}` };
    expect(outcome(await server.call("GET", "/v1/host", { token: null, headers }))).toEqual([401, "UNAUTHENTICATED"]);
  });

  it("from a sign-in link work once, in a cookie that scripts and other sites cannot use", async () => {
    const token = await link();
    const first = await exchange(token);
    const cookie = String(first.headers["set-cookie"]?.[0]);
    expect(first.status).toBe(200);
    expect(cookie).toMatch(/^microterm_session_\d+=[a-z0-9]{24};.*HttpOnly/i);
    expect(cookie).toMatch(/SameSite=Strict/i);
    expect(first.text).not.toContain(/=([a-z0-9]{24})/.exec(cookie)?.[1]);
    expect(outcome(await exchange(token))).toEqual([401, "SIGN_IN_LINK_INVALID"]);
    expect(outcome(await exchange("0123456789abcdef0123456789abcdef"))).toEqual([401, "SIGN_IN_LINK_INVALID"]);
    expect(outcome(await exchange("short"))).toEqual([400, "BAD_REQUEST"]);
  });

  it("of one kind do not pass for another", async () => {
    const token = await link();
    expect(outcome(await server.call("GET", "/v1/host", { token }))).toEqual([401, "UNAUTHENTICATED"]);
    const { cookie, ...key } = await signIn();
    const headers = { cookie, ...key, origin: origin() };
    expect(outcome(await server.call("POST", "/v1/links", { token: null, headers }))).toEqual([403, "FORBIDDEN"]);
    expect(outcome(await exchange(server.token))).toEqual([401, "SIGN_IN_LINK_INVALID"]);
    // Cookies are sent to every port of a host: who has caught one makes no links with it, nor gets past the Origin check.
    const caught = cookie.replace(/^.*=/, "");
    expect(outcome(await server.call("POST", "/v1/links", { token: caught }))).toEqual([401, "UNAUTHENTICATED"]);
    const swapped = { cookie: `microterm_session_${server.port}=${server.token}` };
    expect(outcome(await server.call("GET", "/v1/host", { token: null, headers: swapped }))).toEqual([
      401,
      "UNAUTHENTICATED",
    ]);
  });

  it("in a cookie stand beside those of a server on another port", async () => {
    const other = await startServer();
    try {
      const token = (await other.ok("POST", "/v1/links")).token;
      const ours = await signIn();
      const signedIn = await other.call("POST", "/v1/session", { token: null, body: { token } });
      const theirs = String(signedIn.headers["set-cookie"]);
      const keys = [ours["x-microterm-session"], JSON.parse(signedIn.text).key];
      // A browser keeps one cookie of each name for a host, whatever the port, and sends them all.
      const jar = new Map([theirs, ours.cookie].map((one) => one.split(";")[0]?.split("=") as [string, string]));
      const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
      for (const [at, one] of [server, other].entries()) {
        const headers = { cookie, "x-microterm-session": keys[at] };
        expect((await one.call("GET", "/v1/host", { token: null, headers })).status).toBe(200);
      }
    } finally {
      expect(await other.dispose()).toEqual([]);
    }
  });

  it("in a cookie are nothing without the key that only our own origin can read, even where the cookie is known", async () => {
    const { cookie, ...key } = await signIn();
    const other = await signIn();
    const { id, terminals } = await server.environment();
    const whole = { cookie: cookie + key["x-microterm-session"] };
    const attempts = [{ cookie }, { cookie, "x-microterm-session": other["x-microterm-session"] }, { ...key }, whole];
    for (const caught of attempts) {
      const headers = { ...caught, origin: origin() };
      expect(outcome(await server.call("GET", "/v1/host", { token: null, headers }))).toEqual([401, "UNAUTHENTICATED"]);
      const socket = new TerminalClient(server, id, terminals[0].id, { headers: { ...headers, authorization: "" } });
      expect((await socket.ended).code).toBe(401);
    }
    // As a page does it, which can add no header to a WebSocket.
    const headers = { cookie, origin: origin(), authorization: "" };
    const protocols = [TERMINAL_SUBPROTOCOL, `microterm.session.${key["x-microterm-session"]}`];
    const socket = await new TerminalClient(server, id, terminals[0].id, { headers, protocols }).opened();
    expect(socket.socket.protocol).toBe(TERMINAL_SUBPROTOCOL);
    await socket.close();
  });

  it("in a cookie need our own Origin to write", async () => {
    const session = await signIn();
    const write = (headers: Call["headers"]) =>
      server.call("POST", "/v1/environments/nobody/stop", { token: null, headers: { ...session, ...headers } });
    expect(outcome(await write({}))).toEqual([403, "FORBIDDEN_ORIGIN"]);
    for (const foreign of ["http://evil.example", "null", `https://localhost:${server.port}`, "http://localhost:1"]) {
      expect([foreign, ...outcome(await write({ origin: foreign }))]).toEqual([foreign, 403, "FORBIDDEN_ORIGIN"]);
    }
    expect(outcome(await write({ origin: origin() }))).toEqual([404, "ENVIRONMENT_NOT_FOUND"]);
    const read = await server.call("GET", "/v1/host", { token: null, headers: { ...session } });
    expect(read.status).toBe(200);
  });

  it("of the host's owner stay, whatever is signed out or gone from the database", async () => {
    expect(outcome(await server.call("DELETE", "/v1/session"))).toEqual([400, "BAD_REQUEST"]);
    const storage = await createSqliteStorage({ path: join(server.data, "server/microterm.db") });
    try {
      await storage.credentials.remove(createHash("sha256").update(server.token).digest("hex"));
      await storage.credentials.removeExpired("9999-12-31T23:59:59.999Z");
    } finally {
      await storage.close();
    }
    expect((await server.call("GET", "/v1/environments")).status).toBe(200);
    expect((await exchange(await link())).status).toBe(200);
  });

  it("end with the sign-out, and so do the sockets that they opened", async () => {
    const { id, terminals } = await server.environment();
    const session = await signIn();
    const headers = { authorization: "", ...session };
    const refused = new TerminalClient(server, id, terminals[0].id, { headers });
    expect((await refused.ended).code).toBe(403);
    const client = await new TerminalClient(server, id, terminals[0].id, {
      headers: { ...headers, origin: origin() },
    }).opened();
    const other = await new TerminalClient(server, id, terminals[0].id).opened();
    const out = await server.call("DELETE", "/v1/session", { token: null, headers: { ...session, origin: origin() } });
    expect(out.status).toBe(204);
    expect((await client.ended).code).toBe(4401);
    expect(outcome(await server.call("GET", "/v1/host", { token: null, headers: { ...session } }))).toEqual([
      401,
      "UNAUTHENTICATED",
    ]);
    other.ping(1);
    await other.close();
  });
});

describe("addresses", () => {
  it("are answered under our own names only", async () => {
    for (const host of ["evil.example", `evil.example:${server.port}`, "127.0.0.1", "localhost:1"]) {
      for (const path of ["/healthz", "/v1/host", "/"]) {
        expect([host, path, ...outcome(await server.call("GET", path, { headers: { host } }))]).toEqual([
          host,
          path,
          421,
          "FORBIDDEN_HOST",
        ]);
      }
    }
    for (const name of ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"]) {
      const headers = { host: `${name}:${server.port}` };
      expect((await server.call("GET", "/healthz", { headers })).status).toBe(200);
    }
  });

  it("say how to allow another one: as a page to browsers, as a problem to programs", async () => {
    for (const host of ["localhost:8080", "term.example.org", "<b>:1"]) {
      const browser = await server.call("GET", "/", { token: null, headers: { host, accept: "text/html,*/*;q=0.8" } });
      expect([browser.status, browser.headers["content-type"]]).toEqual([421, "text/html; charset=utf-8"]);
      expect(browser.text).toContain(host === "<b>:1" ? "--allow-host NAME:PORT" : `--allow-host ${host}`);
      expect(browser.text).not.toContain("<b>");
      expect(browser.headers["content-security-policy"]).toContain("default-src 'none'");
      const program = await server.call("GET", "/v1/host", { headers: { host } });
      expect(outcome(program)).toEqual([421, "FORBIDDEN_HOST"]);
      expect(program.headers["content-type"]).toContain("application/problem+json");
      expect(program.json.detail).toContain("--allow-host");
    }
  });

  it("are those that were allowed too, for reading, writing and sockets, and not for others", async () => {
    const tunnelled = await startServer({
      args: ["--allow-host", "localhost:8080,term.example.org"],
      command: exposed,
    });
    try {
      const { token } = await tunnelled.ok("POST", "/v1/links");
      const headers = { host: "localhost:8080", origin: "http://localhost:8080" };
      const answer = await tunnelled.call("POST", "/v1/session", { token: null, body: { token }, headers });
      expect(answer.status).toBe(200);
      const cookie = String(answer.headers["set-cookie"]?.[0]).split(";")[0] ?? "";
      const key = { "x-microterm-session": JSON.parse(answer.text).key };
      const write = (given: Call["headers"]) =>
        tunnelled.call("POST", "/v1/environments/x/stop", { token: null, headers: { cookie, ...key, ...given } });
      expect((await write(headers)).status).toBe(404);
      expect((await write({ host: "term.example.org", origin: "https://term.example.org" })).status).toBe(404);
      expect((await write({ ...headers, origin: "http://localhost:8081" })).status).toBe(403);
      expect((await write({ ...headers, host: "localhost:8081" })).status).toBe(421);
      const { id, terminals } = await tunnelled.environment();
      const socket = new TerminalClient(tunnelled, id, terminals[0].id, { headers });
      await (await socket.opened()).close();
    } finally {
      expect(await tunnelled.dispose()).toEqual([]);
    }
  });

  it("carry the headers that keep other sites out", async () => {
    for (const path of ["/", "/healthz", "/v1/nothing", "/e/x", "/%zz"]) {
      const { headers } = await server.call("GET", path, { token: null });
      expect(headers["content-security-policy"]).toContain("script-src 'self' 'wasm-unsafe-eval';");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
      expect(headers["content-security-policy"]).not.toContain("'unsafe-eval'");
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["access-control-allow-origin"]).toBeUndefined();
    }
  });
});

describe("attempts to sign in", () => {
  it("are not used up by other sites' pages", async () => {
    for (let attempt = 0; attempt < 25; attempt++) {
      const answer = await exchange("0123456789abcdef", { origin: "http://evil.example" });
      expect(outcome(answer)).toEqual([403, "FORBIDDEN_ORIGIN"]);
    }
    expect((await exchange(await link())).status).toBe(200);
  });

  it("are slowed down when there are many", async () => {
    const answers: Answer[] = [];
    for (let attempt = 0; attempt < 40; attempt++) answers.push(await exchange("0123456789abcdef"));
    expect(outcome(answers.at(-1) as Answer)).toEqual([429, "TOO_MANY"]);
    expect(answers.at(-1)?.json.retryable).toBe(true);
    expect((await server.call("GET", "/v1/host")).status).toBe(200);
    // The client that fails comes from the same address as the owner.
    expect((await exchange(await link())).status).toBe(200);
  });
});

describe("connections without a credential", () => {
  it("are few, and leave the owner's alone", async () => {
    const { id, terminals } = await server.environment();
    const client = await new TerminalClient(server, id, terminals[0].id).opened();
    const unauthenticated = Array.from({ length: 200 }, () =>
      connect(server.port, "127.0.0.1").on("error", () => undefined),
    );
    try {
      await poll("the first of many to be closed", () => unauthenticated.filter((one) => one.closed).length >= 60);
      expect((await server.call("GET", "/v1/host")).status).toBe(200);
      client.ping(1);
      expect(unauthenticated.at(-1)?.closed).toBe(false);
    } finally {
      for (const one of unauthenticated) one.destroy();
      await client.close();
    }
  });
});
