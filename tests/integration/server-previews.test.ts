import { connect, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PreviewClient, serveHttp, signInSession } from "../../support/preview-client.ts";
import { type Answer, exposed, poll, startServer, type TestServer } from "../../support/server.ts";
import { TerminalClient } from "../../support/terminal-client.ts";

let server: TestServer;
let id: string;
beforeAll(async () => {
  server = await startServer();
  ({ id } = await server.environment());
});
afterAll(async () => expect(await server?.dispose()).toEqual([]));

const outcome = ({ status, json }: Answer) => [status, json?.code];
const ticketOf = (port: number, headers: Readonly<Record<string, string>>) =>
  server.call("POST", `/v1/environments/${id}/previews/tickets`, { token: null, headers, body: { port } });
const hello = () => serveHttp((_, response) => response.end("hello"));

describe("a preview", () => {
  it("is private, and opened by a ticket of a session, once, at its own port", async () => {
    const port = await hello();
    const session = await signInSession(server);
    const preview = new PreviewClient(server, id, port);
    const stranger = await preview.call("GET", "/some/page", { headers: { accept: "text/html" } });
    expect([stranger.status, stranger.headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(stranger.text).toContain(`href="http://127.0.0.1:${server.port}/e/${id}"`);
    expect(stranger.headers["content-security-policy"]).toContain("default-src 'none'");

    const { url, expiresAt } = (await ticketOf(port, session)).json;
    expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(30_000);
    const entered = await preview.visit(url);
    expect([entered.status, entered.headers.location, entered.headers["cache-control"]]).toEqual([
      303,
      "/",
      "no-store",
    ]);
    const set = String(entered.headers["set-cookie"]);
    expect(set).toMatch(
      new RegExp(`^microterm_preview_${server.port}=[a-z0-9]{50}; Path=/; Expires=[^;]+; HttpOnly; SameSite=Lax$`),
    );
    preview.cookie = set.split(";")[0] ?? "";
    expect((await preview.call("GET", "/")).text).toBe("hello");
    preview.cookie = "";
    expect((await preview.visit(url)).status).toBe(403);
    expect((await preview.call("GET", "/")).status).toBe(401);
  });

  it("opens nothing else: no other port, no other environment, nothing of the API", async () => {
    const [port, other] = [await hello(), await hello()];
    const { cookie } = await PreviewClient.open(server, id, port);
    const second = await server.environment();
    for (const [environment, at] of [
      [id, other],
      [second.id, port],
    ] as const) {
      const elsewhere = new PreviewClient(server, environment, at);
      elsewhere.cookie = cookie;
      expect((await elsewhere.call("GET", "/")).status).toBe(401);
    }
    const { url } = (await ticketOf(port, await signInSession(server))).json;
    const wrong = new PreviewClient(server, id, other);
    expect((await wrong.call("GET", new URL(url).pathname + new URL(url).search)).status).toBe(403);
    // Spent by the attempt.
    expect((await new PreviewClient(server, id, port).visit(url)).status).toBe(403);
    expect((await server.call("GET", "/v1/host", { token: null, headers: { cookie } })).status).toBe(401);
  });

  it("needs a session's own page for its ticket", async () => {
    const port = await hello();
    const { origin: _, ...session } = await signInSession(server);
    expect(outcome(await ticketOf(port, session))).toEqual([403, "FORBIDDEN_ORIGIN"]);
    const preview = new PreviewClient(server, id, port);
    expect(outcome(await ticketOf(port, { ...session, origin: `http://${preview.host}` }))).toEqual([
      403,
      "FORBIDDEN_ORIGIN",
    ]);
    const path = `/v1/environments/${id}/previews/tickets`;
    expect(outcome(await server.call("POST", path, { body: { port } }))).toEqual([403, "FORBIDDEN"]);
    for (const bad of [0, 65_536, 1.5, "80"]) {
      expect(outcome(await server.call("POST", path, { body: { port: bad } }))).toEqual([400, "BAD_REQUEST"]);
    }
  });

  it("ends with the session that opened it, with what is under way", async () => {
    let closed = false;
    const port = await serveHttp((request, response) => {
      if (request.method === "HEAD") return void response.end();
      response.write("first");
      request.once("close", () => {
        closed = true;
      });
    });
    const session = await signInSession(server);
    const preview = await PreviewClient.open(server, id, port, session);
    const endless = preview.call("GET", "/");
    endless.catch(() => undefined);
    const { url } = (await ticketOf(port, session)).json;
    await poll("the program to be asked", async () => (await preview.call("HEAD", "/")).status === 200);
    expect((await server.call("DELETE", "/v1/session", { token: null, headers: session })).status).toBe(204);
    await expect(endless).rejects.toThrow();
    await poll("the program's connection to be closed", () => closed);
    expect((await preview.call("GET", "/")).status).toBe(401);
    preview.cookie = "";
    expect((await preview.visit(url)).status).toBe(403);
  });

  it("is shared by a link until its owner ends it", async () => {
    const port = await hello();
    const links = `/v1/environments/${id}/previews/links`;
    const { url, ...link } = await server.ok("POST", links, { port, ttlSeconds: 3600 });
    expect(await server.ok("GET", links)).toEqual({ links: [link] });
    const secret = String(new URL(url).searchParams.get("secret"));
    expect(JSON.stringify(await server.ok("GET", links))).not.toContain(secret);
    const visitor = new PreviewClient(server, id, port);
    const entered = await visitor.visit(url);
    visitor.cookie = String(entered.headers["set-cookie"]).split(";")[0] ?? "";
    expect((await visitor.call("GET", "/")).text).toBe("hello");
    // It can be opened again, unlike a ticket.
    expect((await visitor.visit(url)).status).toBe(303);
    expect((await server.call("DELETE", `${links}/${link.id}`)).status).toBe(204);
    expect((await visitor.call("GET", "/")).status).toBe(401);
    expect((await visitor.visit(url)).status).toBe(403);
    expect(outcome(await server.call("DELETE", `${links}/${link.id}`))).toEqual([404, "NOT_FOUND"]);
    expect(outcome(await server.call("POST", links, { body: { port, ttlSeconds: 1 } }))).toEqual([400, "BAD_REQUEST"]);
  });

  it("says that nothing listens, and how to listen", async () => {
    const gone = await PreviewClient.open(server, id, 1);
    const answer = await gone.call("GET", "/", { headers: { accept: "text/html" } });
    expect(answer.status).toBe(502);
    expect(answer.text).toContain("Nothing listens on port 1");
    expect(answer.text).toContain("python3 -m http.server 1 --bind 127.0.0.1");
    expect((await gone.call("GET", "/")).headers["content-type"]).toBe("text/plain; charset=utf-8");
  });

  it("goes on where the server was started again", async () => {
    const own = await startServer();
    const environment = await own.environment();
    const port = await hello();
    const preview = await PreviewClient.open(own, environment.id, port);
    await own.kill("SIGKILL");
    const next = await startServer({ data: own.data, args: ["--port", String(own.port)] });
    try {
      expect((await preview.call("GET", "/")).text).toBe("hello");
    } finally {
      expect(await next.dispose()).toEqual([]);
    }
  });
});

describe("hosts", () => {
  it("that are no preview's are not the server's", async () => {
    const port = await hello();
    const own = `${port}-${id}.localhost:${server.port}`;
    for (const host of [
      own.replace(`:${server.port}`, ":1"),
      own.replace(".localhost", ".localhost."),
      `x.${own}`,
      `0${own}`,
    ]) {
      expect([host, ...outcome(await server.call("GET", "/", { headers: { host } }))]).toEqual([
        host,
        421,
        "FORBIDDEN_HOST",
      ]);
    }
    expect((await server.call("GET", "/", { headers: { host: own.toUpperCase() } })).status).toBe(401);
  });

  it("lead from localhost to 127.0.0.1, where no preview's cookie gets to", async () => {
    const page = { accept: "text/html" };
    const headers = { host: `localhost:${server.port}`, ...page };
    const answer = await server.call("GET", "/e/x?y=1", { token: null, headers });
    expect([answer.status, answer.headers.location]).toEqual([307, `http://127.0.0.1:${server.port}/e/x?y=1`]);
    expect((await server.call("GET", "/healthz", { headers: { host: `localhost:${server.port}` } })).status).toBe(200);
  });

  it("are answered at ::1 as well, so that nobody else is there", async () => {
    const socket = connect(server.port, "::1");
    const [answer] = await new Promise<Buffer[]>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("data", (bytes: Buffer) => resolve([bytes]));
      socket.write(`GET /healthz HTTP/1.1\r\nHost: [::1]:${server.port}\r\nConnection: close\r\n\r\n`);
    });
    socket.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("are off, and said to be, where another program is at ::1", async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen({ port: 0, host: "::1", ipv6Only: true }, resolve));
    const { port } = squatter.address() as { port: number };
    const own = await startServer({ args: ["--port", String(port)] });
    try {
      const environment = await own.environment();
      const list = await own.ok("GET", `/v1/environments/${environment.id}/ports`);
      expect(list.previews).toEqual({ kind: "none", obstacle: "loopback-not-ours" });
      const links = `/v1/environments/${environment.id}/previews/links`;
      expect(outcome(await own.call("POST", links, { body: { port: 80 } }))).toEqual([409, "PREVIEWS_OFF"]);
      const host = `80-${environment.id}.localhost:${port}`;
      expect(outcome(await own.call("GET", "/", { headers: { host } }))).toEqual([421, "FORBIDDEN_HOST"]);
    } finally {
      squatter.close();
      expect(await own.dispose()).toEqual([]);
    }
  });
});

describe("a domain of the operator's", () => {
  it("has previews of its own, with cookies for TLS and the very host alone", async () => {
    const args = ["--allow-host", "term.example.org", "--preview-domain", "previews.example.net"];
    const own = await startServer({ args, command: exposed });
    try {
      const environment = await own.environment();
      const port = await hello();
      const list = await own.ok("GET", `/v1/environments/${environment.id}/ports`);
      expect(list.previews).toEqual({ kind: "domain", domain: "previews.example.net" });
      const { url } = await own.ok("POST", `/v1/environments/${environment.id}/previews/links`, { port });
      const { origin, host, pathname, search } = new URL(url);
      expect(origin).toBe(`https://${port}-${environment.id}.previews.example.net`);
      const entered = await own.call("GET", pathname + search, { token: null, headers: { host } });
      const cookie = String(entered.headers["set-cookie"]);
      expect(cookie).toMatch(/^__Host-microterm_preview=[a-z0-9]{50}; Path=\/; .*; HttpOnly; SameSite=Lax; Secure$/);
      const headers = { host, cookie: cookie.split(";")[0] ?? "" };
      expect((await own.call("GET", "/", { token: null, headers })).text).toBe("hello");
      const stranger = await own.call("GET", "/", { token: null, headers: { host, accept: "text/html" } });
      expect(stranger.text).toContain(`href="https://term.example.org/e/${environment.id}"`);
    } finally {
      expect(await own.dispose()).toEqual([]);
    }
  });

  it("may not be the page's own, whose cookies a guest's page could set", async () => {
    const args = ["--allow-host", "term.example.org", "--preview-domain", "previews.example.org"];
    await expect(startServer({ args })).rejects.toThrow("may not be of one domain");
  });
});

describe("an environment's ports", () => {
  it("are listed as they come and go", async () => {
    const list = async (): Promise<number[]> => (await server.ok("GET", `/v1/environments/${id}/ports`)).ports;
    const port = await hello();
    expect(await list()).toContain(port);
    expect((await server.ok("GET", `/v1/environments/${id}/ports`)).previews).toEqual({ kind: "localhost" });
  });

  it("hold 64 connections at most, and leave terminals theirs", async () => {
    const port = await serveHttp((request, response) => {
      if (request.method === "HEAD") response.end();
      else response.write("…");
    });
    const preview = await PreviewClient.open(server, id, port);
    const controllers: (() => void)[] = [];
    for (let at = 0; at < 64; at++) {
      const socket = connect(server.port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(`GET / HTTP/1.1\r\nHost: ${preview.host}\r\nCookie: ${preview.cookie}\r\n\r\n`);
      await new Promise((resolve) => socket.once("data", resolve));
      controllers.push(() => socket.destroy());
    }
    const refused = await preview.call("GET", "/");
    expect(refused.status).toBe(429);
    const { id: terminal } = await server.ok("POST", `/v1/environments/${id}/terminals`, { cols: 80, rows: 24 });
    const client = await new TerminalClient(server, id, terminal).opened();
    await client.close();
    for (const end of controllers) end();
    await poll("room again", async () => (await preview.call("HEAD", "/")).status === 200);
  });
});
