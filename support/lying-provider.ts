/** A provider that answers what a test has it answer. Unless it is told otherwise, it is honest. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

export interface Lies {
  /** Over what an ID token says; undefined takes a claim out. */
  claims?: Readonly<Record<string, unknown>>;
  /** Of an ID token: with another key of the same id, or none at all. */
  signature?: "foreign" | "none" | "hmac";
  /** Over the document that says what the provider has where. */
  metadata?: object;
  /** Instead of an endpoint's answer. */
  answers?: Partial<Record<Endpoint, (response: ServerResponse) => void>>;
  /** Over the query with which it leads back. */
  query?: Record<string, string>;
}

type Endpoint = "metadata" | "token" | "jwks" | "userinfo";

export interface LyingProvider {
  readonly issuer: string;
  lies: Lies;
  /** How often an endpoint was asked. */
  readonly asked: Map<string, number>;
  close(): Promise<void>;
}

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  "/.well-known/openid-configuration": "metadata",
  "/token": "token",
  "/jwks": "jwks",
  "/userinfo": "userinfo",
};

export async function startLyingProvider(): Promise<LyingProvider> {
  const [own, foreign] = [await generateKeyPair("RS256"), await generateKeyPair("RS256")];
  const jwk = { ...(await exportJWK(own.publicKey)), kid: "one", alg: "RS256", use: "sig" };
  const nonces = new Map<string, string>();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function idToken(code: string): Promise<string> {
    const { claims = {}, signature } = provider.lies;
    const now = Math.floor(Date.now() / 1000);
    const honest = { iss: issuer, aud: "microterm", sub: "s-1", iat: now, exp: now + 60, nonce: nonces.get(code) };
    const all = { ...honest, preferred_username: "ann", groups: ["dev"], ...claims };
    // Without those that are undefined.
    const said: JWTPayload = JSON.parse(JSON.stringify(all));
    if (signature === "none") {
      const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
      return `${encode({ alg: "none" })}.${encode(said)}.`;
    }
    if (signature === "hmac") {
      const key = new TextEncoder().encode(JSON.stringify(jwk));
      return new SignJWT(said).setProtectedHeader({ alg: "HS256", kid: "one" }).sign(key);
    }
    const { privateKey } = signature === "foreign" ? foreign : own;
    return new SignJWT(said).setProtectedHeader({ alg: "RS256", kid: "one" }).sign(privateKey);
  }

  async function answerOf(endpoint: Endpoint, body: URLSearchParams): Promise<object> {
    switch (endpoint) {
      case "metadata":
        return {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          userinfo_endpoint: `${issuer}/userinfo`,
          id_token_signing_alg_values_supported: ["RS256"],
          ...provider.lies.metadata,
        };
      case "token": {
        const token = await idToken(body.get("code") ?? "");
        return { access_token: "a-token-of-the-provider", token_type: "Bearer", id_token: token };
      }
      case "jwks":
        return { keys: [jwk] };
      case "userinfo":
        return { sub: "s-1", preferred_username: "ann", groups: ["dev"] };
    }
  }

  server.on("request", async (request, response) => {
    const url = new URL(request.url ?? "/", issuer);
    const endpoint = ENDPOINTS[url.pathname];
    provider.asked.set(endpoint ?? url.pathname, (provider.asked.get(endpoint ?? url.pathname) ?? 0) + 1);
    if (endpoint === undefined) {
      const code = `code-${nonces.size}`;
      nonces.set(code, url.searchParams.get("nonce") ?? "");
      const back = new URL(url.searchParams.get("redirect_uri") ?? "");
      const query = { code, state: url.searchParams.get("state") ?? "", ...provider.lies.query };
      for (const [name, value] of Object.entries(query)) back.searchParams.set(name, value);
      response.writeHead(302, { location: back.href }).end();
      return;
    }
    const body = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
    const instead = provider.lies.answers?.[endpoint];
    if (instead !== undefined) return instead(response);
    response.setHeader("content-type", "application/json").end(JSON.stringify(await answerOf(endpoint, body)));
  });
  const provider: LyingProvider = {
    issuer,
    lies: {},
    asked: new Map(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}
