import type {
  CredentialService,
  DriverRegistry,
  EnvironmentService,
  NetworkProvider,
  PreviewService,
  Storage,
} from "@microterm/core";
import type { NetworkPolicy } from "@microterm/protocol";
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
import type { Addresses } from "./http/addresses.ts";
import type { ConnectionLimit } from "./http/connection-limit.ts";
import type { PreviewHosts } from "./previews/hosts.ts";
import type { PortWatches } from "./previews/port-watches.ts";
import type { PreviewServer } from "./previews/takes-previews.ts";
import type { Readiness } from "./process/readiness.ts";
import type { TerminalHubs } from "./terminal/hub/hubs.ts";

/** What routes and sockets act upon. Made in serve.ts out of what compose.ts has chosen. */
export interface Services {
  readonly environments: EnvironmentService;
  readonly credentials: CredentialService;
  readonly storage: Storage;
  readonly drivers: DriverRegistry;
  /** Why the default driver is the one it is, for a person; null where nothing was chosen. */
  readonly driverReason: string | null;
  readonly network: NetworkProvider;
  /** Why machines have their loopback alone, for a person; null where they have more. */
  readonly networkReason: string | null;
  /** Of environments that are created without a word about it, where there are networks. */
  readonly networkPolicy: NetworkPolicy;
  readonly authenticator: Authenticator;
  readonly addresses: Addresses;
  readonly connections: LiveConnections;
  readonly connectionLimit: ConnectionLimit;
  readonly readiness: Readiness;
  readonly terminals: TerminalHubs;
  readonly previews: PreviewService;
  readonly previewHosts: PreviewHosts;
  readonly previewServer: PreviewServer;
  readonly portWatches: PortWatches;
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
