/** A real provider (oidc-provider) on this host, whose people sign in with their name alone. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";
import { CLIENT_SECRET } from "./oidc-file.ts";

/** Somebody as the provider knows them; what is absent it does not say. */
export interface ProviderPerson {
  readonly preferred_username?: string;
  readonly email?: string;
  readonly groups?: readonly string[] | string;
}

export interface TestProvider {
  readonly issuer: string;
  /** By subject. May be changed at any time. */
  readonly people: Map<string, ProviderPerson>;
  /** Allows a server's callback. */
  readonly redirectUris: Set<string>;
  close(): Promise<void>;
}

export async function startOidcProvider(): Promise<TestProvider> {
  const people = new Map<string, ProviderPerson>();
  const redirectUris = new Set<string>();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "microterm",
        client_secret: CLIENT_SECRET,
        redirect_uris: [`${issuer}/nowhere`],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: "one", alg: "RS256", use: "sig" }] },
    cookies: { keys: ["of tests"] },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
    scopes: ["openid", "profile", "email"],
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    interactions: { url: (_context, { uid }) => `/sign-in/${uid}` },
    findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ ...people.get(sub), sub }) }),
  });
  provider.Client.prototype.redirectUriAllowed = (uri: string) => redirectUris.has(uri);
  const callback = provider.callback();
  server.on("request", async (request, response) => {
    const url = new URL(request.url ?? "/", issuer);
    if (!url.pathname.startsWith("/sign-in/")) return callback(request, response);
    // As who is asked for here; the form asks a person.
    const who = url.searchParams.get("who");
    if (who === null) {
      response.setHeader("content-type", "text/html").end(FORM);
      return;
    }
    const { params } = await provider.interactionDetails(request, response);
    const grant = new provider.Grant({ accountId: who, clientId: String(params.client_id) });
    grant.addOIDCScope(String(params.scope));
    const result =
      who === "nobody"
        ? { error: "access_denied", error_description: "<b>cancelled</b>" }
        : { login: { accountId: who, remember: false }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  });
  return {
    issuer,
    people,
    redirectUris,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const FORM = `<!doctype html><html lang="en"><title>The provider</title>
<form><label>Who <input name="who"></label> <button>Sign in</button></form>`;
