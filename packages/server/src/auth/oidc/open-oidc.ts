import type { FastifyBaseLogger } from "fastify";
import type { Addresses } from "../../http/addresses.ts";
import { systemClock } from "../../process/system-clock.ts";
import type { OidcServices } from "../../services.ts";
import { createFlows } from "./flow.ts";
import type { OidcConfig } from "./oidc-config.ts";
import { createProviderCookies } from "./provider-cookies.ts";

export interface OidcParts {
  readonly addresses: Addresses;
  readonly log: FastifyBaseLogger;
  /** Of a fleet, whose servers take up each other's sign-ins; undefined: one of this process's own. */
  readonly flowKey: Uint8Array | undefined;
}

/** Loads what speaks to providers, which a server without one does not have in memory. Asks the provider nothing yet. */
export async function openOidc(config: OidcConfig, { addresses, log, flowKey }: OidcParts): Promise<OidcServices> {
  const { createOidcProvider } = await import("./provider.ts");
  return {
    provider: createOidcProvider(config, log),
    flows: createFlows(() => systemClock.now(), flowKey),
    cookies: createProviderCookies(addresses),
  };
}
