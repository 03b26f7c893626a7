import type { ProvenIdentity } from "@microterm/core";
import { PlatformError } from "@microterm/protocol";
import type { FastifyBaseLogger } from "fastify";
import * as oidc from "openid-client";
import { z } from "zod";
import { boundedFetch } from "./bounded-fetch.ts";
import type { OidcConfig } from "./oidc-config.ts";

/** For each answer of the provider, to its last byte: a person waits. */
const TIMEOUT_SECONDS = 5;
/** How far clocks may be apart: hosts without NTP are. */
export const CLOCK_TOLERANCE_SECONDS = 300;
/** What a provider says of itself is asked for again after that time. Its keys are by themselves. */
const METADATA_LIFETIME_MS = 60 * 60_000;

/** What belongs to one sign-in, and to the browser in which it was begun. */
export interface FlowSecrets {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636. */
  readonly verifier: string;
}

/**
 * The provider that people sign in at: OpenID Connect's authorization code flow, with PKCE, state and nonce. Nothing that it gives is
 * kept: its tokens end with the call. Rejects with `PROVIDER_UNAVAILABLE`,
 * `PROVIDER_SIGN_IN_FAILED` for an answer that proves nothing, and `PROVIDER_SIGN_IN_CANCELLED` for one that says `access_denied` (RFC 6749, 4.1.2.1).
 */
export interface OidcProvider {
  /** Where the browser goes. `asksAnew`: also somebody whom the provider knows from before says who they are (`prompt`, OpenID Connect Core 1.0, 3.1.2.1). */
  begin(redirectUri: string, secrets: FlowSecrets, how: { readonly asksAnew: boolean }): Promise<URL>;
  /** Who came back. `answer`: the callback's address with its query. */
  finish(answer: URL, secrets: FlowSecrets): Promise<ProvenIdentity>;
}

const Text = z.string().min(1);
/** A person's claims, as far as they are of use here. */
const Subject = z.string().min(1).max(255);
const MAX_GROUPS = 2000;

export function createOidcProvider(config: OidcConfig, log: FastifyBaseLogger): OidcProvider {
  let known: { readonly at: number; readonly found: Promise<oidc.Configuration> } | null = null;

  function configuration(): Promise<oidc.Configuration> {
    if (known !== null && performance.now() - known.at < METADATA_LIFETIME_MS) return known.found;
    const found = discover(config);
    const entry = { at: performance.now(), found };
    known = entry;
    // The next sign-in asks again.
    found.catch(() => {
      if (known === entry) known = null;
    });
    return found;
  }

  const reached = () =>
    configuration().catch((error: unknown) => {
      log.warn({ reason: reasonOf(error) }, "the OIDC provider's configuration is not to be had");
      throw new PlatformError("PROVIDER_UNAVAILABLE", `${config.name} cannot be reached from this server.`, {
        cause: error,
      });
    });

  async function claimsOf(found: oidc.Configuration, answer: URL, { state, nonce, verifier }: FlowSecrets) {
    const tokens = await oidc.authorizationCodeGrant(found, answer, {
      ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new oidc.ClientError("it sent no ID token");
    const hasAll = claims.preferred_username !== undefined && claims[config.groupsClaim] !== undefined;
    if (hasAll || found.serverMetadata().userinfo_endpoint === undefined) return claims;
    return { ...(await oidc.fetchUserInfo(found, tokens.access_token, claims.sub)), ...claims };
  }

  return {
    async begin(redirectUri, { state, nonce, verifier }, { asksAnew }) {
      return oidc.buildAuthorizationUrl(await reached(), {
        redirect_uri: redirectUri,
        scope: config.scopes.join(" "),
        ...{ state, nonce },
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        ...(asksAnew ? { prompt: "login" } : {}),
      });
    },

    async finish(answer, secrets) {
      const found = await reached();
      try {
        const { iss: issuer, sub, preferred_username, ...claims } = await claimsOf(found, answer, secrets);
        const name = Text.safeParse(preferred_username).data?.slice(0, 256) ?? null;
        return { issuer, subject: Subject.parse(sub), name, groups: groupsOf(claims[config.groupsClaim]) };
      } catch (error) {
        const reason = reasonOf(error);
        log.warn({ reason }, "a sign-in at the OIDC provider failed");
        if (isOutage(error)) {
          throw new PlatformError("PROVIDER_UNAVAILABLE", `${config.name} did not answer this server.`, {
            cause: error,
          });
        }
        if (error instanceof oidc.AuthorizationResponseError && error.error === "access_denied") {
          const message = `The sign-in was cancelled or refused at ${config.name}.`;
          throw new PlatformError("PROVIDER_SIGN_IN_CANCELLED", message, { cause: error });
        }
        const message = `What ${config.name} answered does not prove an identity: ${reason}.`;
        throw new PlatformError("PROVIDER_SIGN_IN_FAILED", message, { cause: error });
      }
    },
  };
}

function discover({ issuer, clientId, clientSecret }: OidcConfig): Promise<oidc.Configuration> {
  const metadata = { [oidc.clockTolerance]: CLOCK_TOLERANCE_SECONDS };
  // Signatures are checked although the connection is the provider's: a proxy in between may have another idea of it.
  const checks = [oidc.enableNonRepudiationChecks];
  const isPlain = new URL(issuer).protocol === "http:";
  return oidc.discovery(new URL(issuer), clientId, metadata, authentication(clientSecret), {
    execute: isPlain ? [...checks, oidc.allowInsecureRequests] : checks,
    timeout: TIMEOUT_SECONDS,
    [oidc.customFetch]: boundedFetch,
  });
}

/** As the provider takes it; by HTTP Basic, which OpenID Connect Core 1.0 (9) has as the default, where it does not say. */
function authentication(secret: string | null): oidc.ClientAuth {
  if (secret === null) return oidc.None();
  const [basic, post] = [oidc.ClientSecretBasic(secret), oidc.ClientSecretPost(secret)];
  return (server, ...rest) => {
    const taken = server.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
    return (taken.includes("client_secret_basic") ? basic : post)(server, ...rest);
  };
}

function groupsOf(claim: unknown): readonly string[] {
  const list = Array.isArray(claim) ? claim : [claim];
  return list.slice(0, MAX_GROUPS).filter((one): one is string => typeof one === "string");
}

/** Whether the provider, or the way to it, is at fault, and a later attempt may do better. */
function isOutage(error: unknown): boolean {
  if (error instanceof oidc.ResponseBodyError) return error.status >= 500;
  if (error instanceof oidc.ClientError) {
    const answered = error.cause instanceof Response ? error.cause.status : 0;
    return error.code === "OAUTH_TIMEOUT" || error.code === "OAUTH_ABORT" || answered >= 500;
  }
  // Of `fetch`.
  return error instanceof TypeError && !("code" in error);
}

/** In words of the library and of the standards: nothing of what came is said. */
function reasonOf(error: unknown): string {
  if (error instanceof oidc.ResponseBodyError || error instanceof oidc.AuthorizationResponseError) {
    return /^[a-z_]{1,64}$/.test(error.error) ? error.error : "an error without a known name";
  }
  if (error instanceof z.ZodError) return "its subject is no subject";
  if (!(error instanceof Error)) return "unknown";
  const [inner] = error.cause instanceof Error ? [error.cause] : [error];
  return inner.message.replaceAll(/[^\x20-\x7e]/g, "").slice(0, 200);
}
