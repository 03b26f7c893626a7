import type {
  AccountService,
  AuditLog,
  CodeLimit,
  CredentialService,
  DriverRegistry,
  EnvironmentService,
  NetworkProvider,
  PreviewService,
  QuotaService,
  SharingService,
  Storage,
} from "@microterm/core";
import type { HostStatus, NetworkPolicy } from "@microterm/protocol";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Authenticator } from "./auth/authenticator.ts";
import type { LiveConnections } from "./auth/live-connections.ts";
import type { LiveRequests } from "./auth/live-requests.ts";
import type { Flows } from "./auth/oidc/flow.ts";
import type { OidcProvider } from "./auth/oidc/provider.ts";
import type { ProviderCookies } from "./auth/oidc/provider-cookies.ts";
import type { Principals } from "./auth/principals.ts";
import type { SessionCookies } from "./auth/session-cookies.ts";
import type { Forwarding } from "./fleet/forwarding.ts";
import type { Addresses } from "./http/addresses.ts";
import type { ConnectionLimit } from "./http/connection-limit.ts";
import type { ClientAddresses } from "./listen/client-address.ts";
import type { PreviewHosts } from "./previews/hosts.ts";
import type { PortWatches } from "./previews/port-watches.ts";
import type { PreviewServer } from "./previews/takes-previews.ts";
import type { Readiness } from "./process/readiness.ts";
import type { LiveGrants } from "./sharing/live-grants.ts";
import type { TerminalHubs } from "./terminal/hub/hubs.ts";

/** Of an instance whose people sign in at a provider. */
export interface OidcServices {
  readonly provider: OidcProvider;
  readonly flows: Flows;
  readonly cookies: ProviderCookies;
}

/** What routes and sockets act upon. Made in serve.ts out of what compose.ts has chosen. */
export interface Services {
  readonly environments: EnvironmentService;
  readonly accounts: AccountService;
  readonly credentials: CredentialService;
  readonly audit: AuditLog;
  readonly quotas: QuotaService;
  readonly storage: Storage;
  readonly drivers: DriverRegistry;
  /** Why the default driver is the one it is, for a person; null where nothing was chosen. */
  readonly driverReason: string | null;
  readonly network: NetworkProvider;
  /** Why machines have their loopback alone, for a person; null where they have more. */
  readonly networkReason: string | null;
  /** Of environments that are created without a word about it, where there are networks. */
  readonly networkPolicy: NetworkPolicy;
  readonly database: HostStatus["database"];
  readonly authenticator: Authenticator;
  readonly addresses: Addresses;
  readonly clients: ClientAddresses;
  readonly sessionCookies: SessionCookies;
  /** Null: there is no provider. */
  readonly oidc: OidcServices | null;
  readonly connections: LiveConnections;
  readonly requests: LiveRequests;
  readonly connectionLimit: ConnectionLimit;
  /** Null: all environments are this server's. */
  readonly forwarding: Forwarding | null;
  readonly readiness: Readiness;
  readonly terminals: TerminalHubs;
  readonly previews: PreviewService;
  readonly previewHosts: PreviewHosts;
  readonly previewServer: PreviewServer;
  readonly portWatches: PortWatches;
  readonly sharing: SharingService;
  /** Of codes of shared links. */
  readonly wrongShareCode: CodeLimit;
  readonly principals: Principals;
  readonly liveGrants: LiveGrants;
  /** SHA-256 of the UTF-8 of `text`, in lower-case hexadecimal. */
  readonly sha256: (text: string) => string;
  readonly version: string;
  /** The OpenAPI document as text. */
  readonly describeApi: () => Promise<string>;
  /** The folder of the built page. */
  readonly web: string;
}

/** Fastify with zod schemas for types. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
