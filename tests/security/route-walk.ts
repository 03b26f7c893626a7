/** Routes and WebSockets, asked by everybody who must not have what he asks for. */
import { Scope } from "@microterm/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { WEB_SOCKETS } from "../../packages/server/src/terminal/clients/upgrade.ts";
import { invite, type Person } from "../../support/people.ts";
import type { Answer, TestServer } from "../../support/server.ts";
import { type Expected, ROUTES, WEB_SOCKETS_EXPECTED } from "./routes.ts";

/** As the OpenAPI document has its path. */
export const braced = (route: string): string => route.replaceAll(/:(\w+)/g, "{$1}");

export interface WalkedServers {
  /** Of all that is asked in the walk. */
  readonly asked: TestServer;
  /** Has the environments that are asked for. */
  readonly holder: TestServer;
  /** Ends all of them. Resolves with processes that are left. */
  dispose(): Promise<readonly string[]>;
}

/** Registers the tests of the walk, for operations that `isAsked`. */
export function walkRoutes(open: () => Promise<WalkedServers>, isAsked: (operation: string) => boolean): void {
  let world: WalkedServers;
  let server: TestServer;
  let owner: Person;
  let stranger: Person;
  let visitor: Person;
  let admin: Person;
  /** What is the owner's, and the visitor's, by the parameters of routes. */
  let ownerHas: Record<string, string>;
  let visitorHas: Record<string, string>;
  /** A token of the owner's with all scopes but one; `none`: with all. */
  let tokens: Map<string, string>;
  let revoked: Readonly<Record<string, string>>;
  let disabledToken: string;

  type Sent = Readonly<Record<string, string>>;
  const bearer = (token: string): Sent => ({ authorization: `Bearer ${token}` });

  async function makeToken(person: Person, scopes: readonly Scope[]): Promise<{ token: string; id: string }> {
    return (await person.call("POST", "/v1/account/tokens", { name: "one", scopes })).json;
  }

  async function environmentOf(person: Person): Promise<{ env: string; terminal: string }> {
    const { token } = await makeToken(person, Scope.options);
    const call = { token, body: { name: `of-${person.name}` } };
    const { id } = (await world.holder.call("POST", "/v1/environments", call)).json;
    const path = `/v1/environments/${id}/wait?state=running&timeoutMs=100000`;
    const { terminals } = (await world.holder.call("GET", path, { token })).json;
    return { env: id, terminal: terminals[0].id };
  }

  beforeAll(async () => {
    world = await open();
    server = world.asked;
    [owner, stranger, visitor] = [
      await invite(server, "owner"),
      await invite(server, "stranger"),
      await invite(server, "visitor"),
    ];
    admin = await invite(server, "other-admin", "admin");
    tokens = new Map();
    for (const without of Scope.options) {
      tokens.set(
        without,
        (
          await makeToken(
            owner,
            Scope.options.filter((scope) => scope !== without),
          )
        ).token,
      );
    }
    const { token, id: tokenId } = await makeToken(owner, Scope.options);
    tokens.set("none", token);
    const { id: session } = (await owner.call("GET", "/v1/account/sessions")).json.sessions[0];
    const { id: invitation } = await server.ok("POST", "/v1/invitations", {});
    const rest = {
      session,
      token: tokenId,
      invitation,
      account: owner.id,
      role: "member",
      network: "another",
      port: "3000",
      link: "abcdefghijkl",
      identity: "abcdefghijkl",
    };
    // What somebody else shares with the owner.
    const strangers = await environmentOf(stranger);
    const path = `/v1/environments/${strangers.env}/terminals/${strangers.terminal}/shares`;
    await stranger.call("POST", path, { account: owner.name });
    const [{ id: grant }] = (await owner.call("GET", "/v1/shared")).json.terminals;
    const own = await environmentOf(owner);
    ownerHas = { ...own, id: own.env, ...rest, grant, share: grant };
    const visitors = await environmentOf(visitor);
    visitorHas = { ...ownerHas, ...visitors, id: visitors.env };
    await server.ok("PATCH", "/v1/accounts/visitor", { role: "visitor" });
    const leaving = await invite(server, "leaving");
    revoked = leaving.headers;
    disabledToken = (await makeToken(leaving, Scope.options)).token;
    await leaving.call("DELETE", "/v1/session");
    await server.ok("PATCH", "/v1/accounts/leaving", { disabled: true });
  }, 120_000);

  afterAll(async () => {
    for (const name of ["owner", "stranger", "visitor"])
      await server.ok("DELETE", `/v1/accounts/${name}?environments=destroy`);
    expect(await world.dispose()).toEqual([]);
  });

  const fill = (path: string, has: Record<string, string>): string =>
    path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = has[name];
      if (value === undefined) throw new Error(`the walk has nothing for {${name}} of ${path}`);
      return value;
    });

  function ask(operation: string, sent: Sent, has: Record<string, string> = ownerHas): Promise<Answer> {
    const [method = "", path = ""] = operation.split(" ");
    const entry = ROUTES[operation] as Expected;
    const headers = { ...sent, ...(entry.raw === undefined ? {} : { "content-type": "application/octet-stream" }) };
    const body = entry.body === undefined ? {} : { body: entry.body };
    const raw = entry.raw === undefined ? {} : { raw: entry.raw };
    return server.call(method, `${fill(path, has)}${entry.query ?? ""}`, { token: null, headers, ...body, ...raw });
  }

  /** The status with which a WebSocket is refused; 101 where it is not. */
  function upgrade(route: string, sent: Sent, has: Record<string, string> = ownerHas): Promise<number> {
    const { protocol } = Object.values(WEB_SOCKETS).find((one) => braced(one.route) === route) ?? { protocol: "" };
    const socket = new WebSocket(`${server.url.replace("http", "ws")}${fill(route, has)}`, protocol, {
      headers: { origin: server.url, ...sent },
    });
    return new Promise((resolve, reject) => {
      socket.once("unexpected-response", (request, response) => {
        request.destroy();
        resolve(response.statusCode ?? 0);
      });
      socket.once("open", () => {
        socket.terminate();
        resolve(101);
      });
      socket.once("error", reject);
    });
  }

  const guarded = Object.entries(ROUTES).flatMap(([operation, entry]) =>
    entry === "public" || !isAsked(operation) ? [] : [{ operation, entry }],
  );
  const sockets = Object.entries(WEB_SOCKETS_EXPECTED).flatMap(([route, entry]) =>
    isAsked(`GET ${route}`) ? [{ route, entry }] : [],
  );

  const isRead = (operation: string): boolean => operation.startsWith("GET ");
  /** What it does to the caller's own is told by other tests, and a stream has no end. */
  const isForStrangers = ({ operation, entry }: (typeof guarded)[number]): boolean =>
    entry.stranger !== "own" || (isRead(operation) && !operation.endsWith("/events"));

  it.each(guarded)(
    "$operation is nothing for who has no credential, one that was revoked, or one of a disabled account",
    async ({ operation }) => {
      for (const sent of [{}, { origin: server.url, ...revoked }, bearer(disabledToken), bearer("mt_guessed")]) {
        expect((await ask(operation, sent)).status).toBe(401);
      }
    },
  );

  it.each(guarded.filter(isForStrangers))(
    "$operation gives another member nothing of the owner's",
    async ({ operation, entry }) => {
      const answer = await ask(operation, stranger.headers);
      expect(answer.status).toBe(entry.stranger === "own" ? 200 : entry.stranger);
      // A refusal says again what was asked for.
      const said = answer.status === 200 ? answer.text : answer.text.replaceAll(`'${ownerHas.env}'`, "");
      for (const secret of [ownerHas.env, "of-owner", owner.id]) expect(said).not.toContain(secret);
    },
  );

  it.each(guarded.filter(({ entry }) => entry.visitor !== "allowed"))(
    "$operation is refused to a visitor",
    async ({ operation, entry }) => {
      expect((await ask(operation, visitor.headers, visitorHas)).status).toBe(entry.visitor);
    },
  );

  it.each(guarded.filter(({ entry }) => entry.admin !== "allowed"))(
    "$operation is refused to an admin",
    async ({ operation, entry }) => {
      expect((await ask(operation, admin.headers)).status).toBe(entry.admin);
    },
  );

  it.each(guarded.filter(({ entry }) => entry.scope !== "any"))(
    "$operation is refused to a token that has all scopes but its own",
    async ({ operation, entry }) => {
      expect((await ask(operation, bearer(tokens.get(entry.scope) ?? ""))).status).toBe(403);
    },
  );

  it.each(guarded.filter(({ operation }) => !isRead(operation)))(
    "$operation is not done for another site's page, also with the owner's cookie",
    async ({ operation }) => {
      for (const origin of ["http://evil.example", "null"]) {
        const answer = await ask(operation, { ...owner.headers, origin });
        expect([answer.status, answer.json.code]).toEqual([403, "FORBIDDEN_ORIGIN"]);
      }
      const { origin: _own, ...without } = owner.headers;
      expect((await ask(operation, without)).json.code).toBe("FORBIDDEN_ORIGIN");
    },
  );

  describe.each(sockets)("WebSocket $route", ({ route, entry }) => {
    it("is opened for nobody who must not have it", async () => {
      for (const sent of [{}, revoked, bearer(disabledToken)]) expect(await upgrade(route, sent)).toBe(401);
      expect(await upgrade(route, { ...owner.headers, origin: "http://evil.example" })).toBe(403);
      if (entry.stranger !== "own") expect(await upgrade(route, stranger.headers)).toBe(entry.stranger);
      if (entry.visitor !== "allowed") expect(await upgrade(route, visitor.headers, visitorHas)).toBe(entry.visitor);
      if (entry.admin !== "allowed") expect(await upgrade(route, admin.headers)).toBe(entry.admin);
      expect(await upgrade(route, bearer(tokens.get(entry.scope) ?? ""))).toBe(403);
      expect(await upgrade(route, bearer(tokens.get("none") ?? ""))).toBe(101);
    });
  });
}
