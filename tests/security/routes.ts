import type { Scope } from "@microterm/protocol";

/** What is expected of a route from who must not have what he asks for. A route without an entry fails the walk. */
export interface Expected {
  /** Another member, of what is the owner's: refused so, or `own`: it reaches nothing but the caller's own. */
  readonly stranger: 403 | 404 | "own";
  /** A visitor, of an environment of his own, from when he was a member. */
  readonly visitor: 403 | 404 | "allowed";
  /** An admin, of what is the owner's, by its full id. */
  readonly admin: 403 | 404 | "allowed";
  /** What a token needs; `none`: no token does it; `any`: every token does. */
  readonly scope: Scope | "none" | "any";
  /** A body that would be accepted. */
  readonly body?: unknown;
  /** Bytes, where the body is no JSON. */
  readonly raw?: string;
  readonly query?: string;
}

/** Answered to anybody, who brings a code or a password where it is about anything. */
const PUBLIC = "public";

const read: Expected = { stranger: 404, visitor: "allowed", admin: "allowed", scope: "environments:read" };
/** What its guest says. */
const inspect: Expected = { ...read, admin: 404 };
const change: Expected = { stranger: 404, visitor: 403, admin: 404, scope: "environments:write" };
const power: Expected = { ...change, admin: "allowed" };
const exec: Expected = { ...change, scope: "exec" };
const files: Expected = { ...change, scope: "files", query: "?path=/tmp" };
const network: Expected = { ...change, scope: "environments:write" };
const account: Expected = { stranger: "own", visitor: "allowed", admin: "allowed", scope: "none" };
const credential: Expected = { ...account, stranger: 404, visitor: 404, admin: 404 };
const administration: Expected = { stranger: 403, visitor: 403, admin: "allowed", scope: "admin" };
const shared: Expected = { stranger: "own", visitor: "allowed", admin: "allowed", scope: "exec" };
const NO_LIMITS = {
  ...{ environments: null, running: null, memoryMib: null, cpus: null },
  ...{ diskMib: null, recordingsMib: null, hoursPerDay: null },
};
const password = "nine paper boats, and rain";

/** By method and path, as the OpenAPI document has them. */
export const ROUTES: Readonly<Record<string, Expected | typeof PUBLIC>> = {
  "GET /healthz": PUBLIC,
  "GET /readyz": PUBLIC,
  "GET /v1/sign-in": PUBLIC,
  "GET /v1/sign-in/oidc": PUBLIC,
  "GET /v1/sign-in/oidc/callback": PUBLIC,
  "POST /v1/session": PUBLIC,
  "POST /v1/resets/accept": PUBLIC,
  "POST /v1/invitations/look": PUBLIC,
  "POST /v1/invitations/accept": PUBLIC,

  "GET /v1/session": { ...account, scope: "any" },
  "DELETE /v1/session": { ...account, scope: "any" },
  // With the data folder's token alone.
  "POST /v1/links": { stranger: 403, visitor: 403, admin: 403, scope: "none", body: { account: "owner" } },
  "GET /v1/account/admin-acts": { ...account, scope: "environments:read" },
  "PUT /v1/account/password": { ...account, body: { current: "x", password } },
  "GET /v1/account/sessions": account,
  "DELETE /v1/account/sessions": account,
  "DELETE /v1/account/sessions/{session}": credential,
  "GET /v1/account/identities": account,
  "POST /v1/account/identities": account,
  "DELETE /v1/account/identities/{identity}": credential,
  "GET /v1/account/tokens": account,
  "POST /v1/account/tokens": { ...account, body: { name: "another", scopes: ["exec"] } },
  "DELETE /v1/account/tokens/{token}": credential,

  "GET /v1/accounts": administration,
  "POST /v1/accounts": { ...administration, body: { name: "another" } },
  "PATCH /v1/accounts/{account}": { ...administration, body: { role: "visitor" } },
  "DELETE /v1/accounts/{account}": administration,
  "POST /v1/accounts/{account}/reset": administration,
  "POST /v1/invitations": { ...administration, body: {} },
  "GET /v1/invitations": administration,
  "DELETE /v1/invitations/{invitation}": administration,

  "GET /v1/audit": administration,
  "GET /v1/audit/export": administration,

  "GET /v1/quota": { ...read, stranger: "own" },
  "GET /v1/quotas": administration,
  "PUT /v1/quotas/{role}": { ...administration, body: NO_LIMITS },
  "PUT /v1/accounts/{account}/quota": { ...administration, body: { limits: null } },
  "GET /v1/admin/environments": administration,
  "GET /v1/admin/host": administration,
  "GET /v1/admin/environments/{id}/terminals": { ...power, stranger: 403, scope: "none" },
  "POST /v1/admin/environments/{env}/transfer": {
    ...{ stranger: 404, visitor: 403, admin: "allowed", scope: "admin" },
    body: { account: "stranger" },
  },

  "GET /v1/host": { ...read, stranger: "own" },
  "GET /v1/events": { ...read, stranger: "own" },
  "POST /v1/environments": { ...change, stranger: "own", admin: "allowed", body: {} },
  "GET /v1/environments": { ...read, stranger: "own" },
  "GET /v1/environments/{env}": read,
  "PATCH /v1/environments/{env}": { ...change, body: { ttlSeconds: 0 } },
  "DELETE /v1/environments/{env}": power,
  "GET /v1/environments/{env}/wait": { ...read, query: "?state=running" },
  "POST /v1/environments/{env}/start": change,
  "POST /v1/environments/{env}/stop": power,
  "POST /v1/environments/{env}/pause": change,
  "POST /v1/environments/{env}/resume": change,
  "GET /v1/environments/{env}/metrics": inspect,
  "GET /v1/environments/{env}/logs": inspect,

  "GET /v1/environments/{env}/network": inspect,
  "GET /v1/environments/{env}/network/denials": inspect,
  "POST /v1/environments/{env}/network/allow": { ...change, body: { domain: "example.org" } },
  "POST /v1/environments/{env}/network/disallow": { ...change, body: { domain: "example.org" } },
  // The network is looked up among the caller's own, before the environment.
  "POST /v1/environments/{env}/network/join": { ...network, body: { network: "none" } },
  "POST /v1/environments/{env}/network/leave": change,
  "POST /v1/networks": { ...network, stranger: "own", admin: "allowed", body: { name: "another" } },
  "GET /v1/networks": { ...network, stranger: "own", admin: "allowed", scope: "environments:read" },
  "DELETE /v1/networks/{network}": { ...network, admin: 404 },

  "GET /v1/environments/{env}/terminals": inspect,
  "POST /v1/environments/{env}/terminals": { ...exec, body: {} },
  "DELETE /v1/environments/{env}/terminals/{terminal}": exec,
  "GET /v1/environments/{env}/terminals/{terminal}/recording": exec,
  "PUT /v1/environments/{env}/terminals/{terminal}/recording": { ...exec, body: { enabled: true } },
  "DELETE /v1/environments/{env}/terminals/{terminal}/recording": exec,
  "GET /v1/environments/{env}/terminals/{terminal}/recording/content": exec,
  "POST /v1/environments/{env}/exec": { ...exec, body: { command: ["true"] } },

  "POST /v1/environments/{env}/terminals/{terminal}/shares": { ...exec, body: {} },
  "GET /v1/environments/{env}/shares": exec,
  "DELETE /v1/environments/{env}/shares/{share}": exec,
  "PATCH /v1/environments/{env}/grants/{grant}": { ...exec, body: { role: "viewer" } },
  "DELETE /v1/environments/{env}/grants/{grant}": exec,
  "POST /v1/admin/environments/{id}/terminals/{terminal}/look-in": { ...power, stranger: 403, scope: "none" },
  "POST /v1/shares/look": PUBLIC,
  "POST /v1/shares/accept": PUBLIC,
  // Of the principal that it was granted to.
  "GET /v1/shared": shared,
  "DELETE /v1/shared/{grant}": { ...shared, stranger: 404, visitor: 404, admin: 404 },

  "GET /v1/environments/{env}/ports": inspect,
  "POST /v1/environments/{env}/previews/tickets": { ...exec, scope: "none", body: { port: 3000 } },
  "GET /v1/environments/{env}/previews/links": exec,
  "POST /v1/environments/{env}/previews/links": { ...exec, body: { port: 3000 } },
  "DELETE /v1/environments/{env}/previews/links/{link}": exec,

  "GET /v1/environments/{env}/files/stat": files,
  "GET /v1/environments/{env}/files/list": files,
  "POST /v1/environments/{env}/files/directory": files,
  "DELETE /v1/environments/{env}/files": files,
  "GET /v1/environments/{env}/files/content": files,
  "PUT /v1/environments/{env}/files/content": { ...files, raw: "bytes" },
  "GET /v1/environments/{env}/files/tar": files,
  "PUT /v1/environments/{env}/files/tar": { ...files, raw: "bytes" },
};

/** Routes of the document that are WebSockets alone: without an upgrade every caller is refused. */
export const WEB_SOCKETS_ALONE: readonly string[] = [
  "GET /v1/environments/{env}/terminals/{terminal}/attach",
  "GET /v1/environments/{env}/exec",
  "GET /v1/environments/{env}/ports/{port}/connect",
  "GET /v1/shared/{grant}/attach",
];

/** By the path of the upgrade router. */
export const WEB_SOCKETS_EXPECTED: Readonly<Record<string, Expected>> = {
  "/v1/environments/{env}/terminals/{terminal}/attach": exec,
  "/v1/environments/{env}/exec": exec,
  "/v1/environments/{env}/ports": inspect,
  "/v1/environments/{env}/ports/{port}/connect": exec,
  "/v1/shared/{grant}/attach": { ...shared, stranger: 404, visitor: 404, admin: 404 },
  "/v1/events": { ...read, stranger: "own" },
};
