import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { ProviderRules } from "@microterm/core";
import { z } from "zod";
import { StartError } from "../../process/start-error.ts";
import { unreadable } from "../../process/unreadable.ts";

const MAX_BYTES = 64 * 1024;
/** It has a secret: nobody else reads it, and a group may not write. A group may read it: it is how a service gets a secret. */
const OTHERS = 0o027;

/** Where a provider may be in plain HTTP: what is sent there leaves this host not. */
const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

const text = (max: number) =>
  z
    .string()
    .regex(/^[^\p{C}]+$/u, "must be printable text")
    .max(max);
const groups = z.array(text(256)).max(100).default([]);

const Issuer = z
  .url()
  .max(512)
  .refine((url) => {
    const { protocol, hostname, search, hash, username, password } = new URL(url);
    const isSafe = protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
    return isSafe && search + hash + username + password === "";
  }, "must be the provider's https:// address without a query, exactly as its configuration has it");

/** The file of `--oidc`. */
const OidcFile = z.strictObject({
  issuer: Issuer,
  clientId: text(256),
  /** Absent: a public client, which PKCE alone protects. */
  clientSecret: text(1024).optional(),
  /** As the sign-in page calls the provider; the issuer's host when absent. */
  name: text(40).optional(),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/, "must be a scope (RFC 6749, 3.3)"))
    .max(20)
    .refine((scopes) => scopes.includes("openid"), "must have openid among them")
    .default(["openid", "profile"]),
  /** The claim that has a person's groups, an array of texts or one. */
  groupsClaim: text(128).default("groups"),
  /** Which groups give a role. */
  groups: z.strictObject({ admin: groups, member: groups, visitor: groups }).prefault({}),
  /** Of who is in none of them; `none`: not let in. */
  defaultRole: z.enum(["none", "visitor", "member"]).default("none"),
});

export interface OidcConfig extends ProviderRules {
  readonly clientId: string;
  readonly clientSecret: string | null;
  readonly scopes: readonly string[];
  readonly groupsClaim: string;
}

/** Throws {@link StartError} with all that is wrong with it. */
export function readOidcConfig(path: string): OidcConfig {
  const { data, error } = OidcFile.safeParse(readJson(path));
  if (data === undefined) {
    const faults = error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
    throw new StartError(`--oidc ${path} is not as docs/operations.md has it:\n${faults.join("\n")}`);
  }
  const { issuer, clientId, clientSecret = null, name, scopes, groupsClaim, groups, defaultRole } = data;
  return {
    ...{ issuer, clientId, clientSecret, scopes, groupsClaim, groups },
    name: name ?? new URL(issuer).hostname,
    defaultRole: defaultRole === "none" ? null : defaultRole,
  };
}

function readJson(path: string): unknown {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new StartError(`--oidc ${path} ${unreadable(path, cause)}`);
  }
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.size > MAX_BYTES) throw new StartError(`--oidc ${path} is no file of JSON`);
    if ((found.mode & OTHERS) !== 0) {
      throw new StartError(`--oidc ${path} may be read or changed by other users: chmod 600 ${path}`);
    }
    const bytes = Buffer.alloc(found.size);
    return JSON.parse(bytes.toString("utf8", 0, readSync(fd, bytes)));
  } catch (error) {
    // What JSON.parse says quotes the text, which has a secret.
    if (error instanceof SyntaxError) throw new StartError(`--oidc ${path} is no JSON`);
    throw error;
  } finally {
    closeSync(fd);
  }
}
