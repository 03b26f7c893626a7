import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { TERMINAL_SUBPROTOCOL } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { makeKeyPair, type TestKeyPair } from "../../support/key-pair.ts";
import { cookieOf, serveHttp } from "../../support/preview-client.ts";
import {
  type Call,
  exposed,
  poll,
  ServerDidNotStart,
  send,
  startServer,
  type TestServer,
} from "../../support/server.ts";
import { makeTempFolder, type TempFolder } from "../../support/temp-folder.ts";
import { cliOk } from "./cli-run.ts";

/** The browsers' port is another one than the server's, as behind a firewall that leads one to the other. */
const HOST = "term.example.org:8443";
const ORIGIN = `https://${HOST}`;
const NAMES = ["DNS:term.example.org", "DNS:*.previews.example.net"];
const PREVIEWS = ["--preview-domain", "previews.example.net:8443"];

let folder: TempFolder;
let pair: TestKeyPair;
let server: TestServer;
let port: number;

const options = ({ cert, key }: TestKeyPair): string[] => [
  ...["--listen", "127.0.0.2:0", "--tls-cert", cert, "--tls-key", key, "--public-url", ORIGIN],
];
const whereabouts = () => JSON.parse(readFileSync(join(server.data, "server/server.json"), "utf8"));
const log = (): string => readFileSync(join(server.data, "server/server.log"), "utf8");

beforeAll(async () => {
  folder = await makeTempFolder();
  pair = makeKeyPair(folder.path, { names: NAMES });
  server = await startServer({ args: [...options(pair), ...PREVIEWS], command: exposed });
  port = Number(new URL(`https://${whereabouts().exposure.listen}`).port);
});
afterAll(async () => {
  const left = await server?.dispose();
  await folder?.remove();
  expect(left).toEqual([]);
});

const at = (host: string, method: string, path: string, call: Call = {}) =>
  send(`https://127.0.0.2:${port}${path}`, method, {
    tls: { ca: pair.ca, servername: host.replace(/:\d+$/, "") },
    ...call,
    headers: { host, ...call.headers },
  });
const call = (method: string, path: string, given?: Call) => at(HOST, method, path, given);

async function signIn(): Promise<{ headers: Record<string, string>; setCookie: string }> {
  const { token } = await server.ok("POST", "/v1/links");
  const answer = await call("POST", "/v1/session", { body: { token }, headers: { origin: ORIGIN } });
  expect(answer.status).toBe(200);
  const headers = { cookie: cookieOf(answer), "x-microterm-session": answer.json.key, origin: ORIGIN };
  return { headers, setCookie: String(answer.headers["set-cookie"]) };
}

describe("a server with a certificate of its own", () => {
  it("says where it is, and what protects it", () => {
    expect(whereabouts()).toMatchObject({
      url: server.url,
      exposure: { publicUrl: ORIGIN, tls: "server", signIn: { hasPasswordAdmin: true, hasOidc: false } },
    });
  });

  it("has the command line print links to its public URL", async () => {
    await server.environment("shown");
    const links = [
      ["open"],
      ["user", "link", "admin"],
      ["invite"],
      ["user", "add", "ann"],
      ["user", "reset", "ann"],
      ["share", "shown"],
    ];
    for (const words of links)
      expect(new URL((await cliOk(server, words)).trim()).origin, words.join(" ")).toBe(ORIGIN);
  });

  it("answers to its public host with HSTS, and to no other name", async () => {
    const answer = await call("GET", "/healthz");
    expect([answer.status, answer.headers["strict-transport-security"]]).toEqual([200, "max-age=31536000"]);
    expect((await call("GET", "/openapi.json")).json.servers).toEqual([{ url: ORIGIN }]);
    for (const host of ["term.example.org", "evil.example.org:8443", `127.0.0.1:${server.port}`, "localhost:8443"]) {
      const refused = await call("GET", "/healthz", { headers: { host } });
      expect([host, refused.status, refused.json.code]).toEqual([host, 421, "FORBIDDEN_HOST"]);
    }
  });

  it("is there for its own host in plain HTTP, without the public name", async () => {
    const local = await server.call("GET", "/v1/host");
    expect([local.status, local.headers["strict-transport-security"]]).toEqual([200, undefined]);
    const named = await server.call("GET", "/healthz", { headers: { host: HOST } });
    expect([named.status, named.json.code]).toEqual([421, "FORBIDDEN_HOST"]);
    // What a proxy that loses the name sends.
    const proxied = await server.call("GET", "/healthz", { headers: { "x-forwarded-for": "203.0.113.1" } });
    expect([proxied.status, proxied.json.code]).toEqual([421, "FORBIDDEN_HOST"]);
  });

  it("signs in with a cookie that only TLS and this host carry", async () => {
    const { headers, setCookie } = await signIn();
    expect(setCookie).toMatch(
      /^__Host-microterm_session_8443=[a-z0-9]{24}; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Strict$/,
    );
    expect((await call("GET", "/v1/session", { headers })).status).toBe(200);
    // The same cookie under the name of the loopback address opens nothing there.
    const cookie = headers.cookie?.replace(/^[^=]+/, `microterm_session_${server.port}`) ?? "";
    expect((await call("GET", "/v1/session", { headers: { ...headers, cookie } })).status).toBe(401);
    const out = await call("DELETE", "/v1/session", { headers });
    expect([out.status, String(out.headers["set-cookie"])]).toEqual([204, expect.stringMatching(/^__Host-.*Secure/)]);
    expect((await call("GET", "/v1/session", { headers })).status).toBe(401);
  });

  it("takes writes and WebSockets of its own origin alone", async () => {
    const { headers } = await signIn();
    const { id, terminals } = await server.environment();
    const url = `wss://127.0.0.2:${port}/v1/environments/${id}/terminals/${terminals[0].id}/attach`;
    const attach = (origin: string) =>
      new Promise<number>((resolve) => {
        const socket = new WebSocket(url, [TERMINAL_SUBPROTOCOL], {
          ...{ ca: pair.ca, servername: "term.example.org" },
          headers: { ...headers, host: HOST, origin },
        });
        onTestFinished(() => socket.terminate());
        socket.on("error", () => undefined);
        socket.once("open", () => resolve(101));
        socket.once("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
      });
    expect(await attach(ORIGIN)).toBe(101);
    for (const origin of [
      ...["https://term.example.org", "http://term.example.org:8443", `http://127.0.0.1:${server.port}`, "null"],
      ...["https://3000-abcdefghijk1.previews.example.net:8443", "https://term.example.org:8443.evil.org"],
    ]) {
      expect([origin, await attach(origin)]).toEqual([origin, 403]);
      const write = await call("POST", "/v1/environments", { headers: { ...headers, origin }, body: {} });
      expect([origin, write.status, write.json.code]).toEqual([origin, 403, "FORBIDDEN_ORIGIN"]);
    }
  });

  it("has previews below their own domain, in the same certificate, and not in plain HTTP", async () => {
    const { headers } = await signIn();
    const { id } = await server.environment();
    const program = await serveHttp((_request, response) => response.end("hello"));
    const ticket = await call("POST", `/v1/environments/${id}/previews/tickets`, { headers, body: { port: program } });
    const url = new URL(ticket.json.url);
    expect(url.host).toBe(`${program}-${id}.previews.example.net:8443`);
    const plain = await server.call("GET", url.pathname + url.search, { token: null, headers: { host: url.host } });
    expect(plain.status).toBe(421);
    const entered = await at(url.host, "GET", url.pathname + url.search);
    expect(String(entered.headers["set-cookie"])).toMatch(/^__Host-microterm_preview=.*; Secure$/);
    expect(entered.headers["strict-transport-security"]).toBeUndefined();
    const page = await at(url.host, "GET", "/", { headers: { cookie: cookieOf(entered) } });
    expect([page.status, page.text]).toEqual([200, "hello"]);
    const local = `${program}-${id}.localhost:${server.port}`;
    expect((await call("GET", "/", { headers: { host: local } })).status).toBe(421);
  });
});

describe("a certificate that changes", () => {
  /** Of the connection that a client makes now. */
  const serial = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.2", port, servername: "term.example.org", rejectUnauthorized: false });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.destroy();
      });
    });
  const serialOf = (file: string) =>
    /=(\w+)/.exec(execFileSync("openssl", ["x509", "-in", file, "-noout", "-serial"], { encoding: "latin1" }))?.[1];
  const refusals = () => log().split("the new certificate is not used").length - 1;

  it("is in use for the next connection, while those that are there go on", async () => {
    const before = connectTls({ host: "127.0.0.2", port, ca: pair.ca, servername: "term.example.org" });
    await new Promise((resolve, reject) => before.once("secureConnect", resolve).once("error", reject));
    const first = await serial();
    pair = makeKeyPair(folder.path, { names: NAMES });
    await poll("the new certificate", async () => (await serial()) === serialOf(pair.cert));
    expect(await serial()).not.toBe(first);
    before.write(`GET /healthz HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
    expect(Buffer.concat(await before.toArray()).toString()).toMatch(/^HTTP\/1\.1 200/);
  });

  it.each<[string, () => void]>([
    ["expired", () => void makeKeyPair(folder.path, { names: NAMES, endsAt: "20200102000000Z" })],
    ["for another host", () => void makeKeyPair(folder.path, { names: ["DNS:other.example.org"] })],
    ["of another key", () => renameSync(makeKeyPair(folder.path, { names: NAMES, name: "other" }).cert, pair.cert)],
    ["for everybody to read the key of", () => chmodSync(makeKeyPair(folder.path, { names: NAMES }).key, 0o644)],
  ])("is not used when it is %s", async (_what, replace) => {
    const [used, told] = [await serial(), refusals()];
    replace();
    await poll("the refusal", () => refusals() > told);
    expect(await serial()).toBe(used);
  });

  it("is used once it is right again", async () => {
    pair = makeKeyPair(folder.path, { names: NAMES });
    await poll("the new certificate", async () => (await serial()) === serialOf(pair.cert));
  });
});

describe("a server does not start", () => {
  const refusal = async (args: readonly string[], command?: typeof exposed): Promise<string> => {
    const started = startServer({ args, ...(command === undefined ? {} : { command }) });
    const error = await started.then(
      async (one) => {
        await one.dispose();
        return null;
      },
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ServerDidNotStart);
    return (error as ServerDidNotStart).stderr;
  };

  it("beyond its host with sign-in links alone", async () => {
    const words = /protected by sign-in links alone.*set a password/;
    expect(await refusal(options(pair))).toMatch(words);
    for (const host of ["term.example.org", "192.0.2.1:7681", "127.0.0.1.example.org", "[2001:db8::1]:7681"]) {
      expect(await refusal(["--allow-host", `localhost:8080,${host}`])).toMatch(words);
    }
    const tunnels = ["localhost:8080", "mine.localhost", "127.0.0.2:80", "[::1]:8080"];
    const near = await startServer({ args: ["--allow-host", tunnels.join(",")] });
    expect(await near.dispose()).toEqual([]);
  });

  it("with a pair that cannot be used", async () => {
    const other = makeKeyPair(folder.path, { names: ["DNS:other.example.org"], name: "elsewhere" });
    expect(await refusal(options(other), exposed)).toMatch(
      /is not for term\.example\.org: it is for DNS:other\.example\.org/,
    );
    expect(await refusal(options({ ...pair, key: other.key }), exposed)).toMatch(/is not the key of/);
    expect(await refusal(options({ ...pair, cert: pair.key }), exposed)).toMatch(/is no certificate/);
    const previews = ["--preview-domain", "elsewhere.example.net:8443"];
    expect(await refusal([...options(pair), ...previews], exposed)).toMatch(/is not for 1-preview\.elsewhere/);
  });

  it("at an address that it cannot have", async () => {
    const args = options(pair).with(1, `127.0.0.2:${port}`);
    expect(await refusal(args, exposed)).toMatch(/is in use/);
    expect(await refusal(args.with(1, "192.0.2.77:0"), exposed)).toMatch(/is no address of this host/);
  });
});
