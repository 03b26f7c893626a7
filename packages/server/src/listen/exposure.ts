/** How people sign in to this server, besides with links that its host makes. */
export interface SignInMethods {
  /** An account with the role `admin` has a password. */
  readonly hasPasswordAdmin: boolean;
  /** An OIDC provider is configured. */
  readonly hasOidc: boolean;
}

interface Ways {
  readonly publicUrl?: string | undefined;
  readonly allowHost: readonly string[];
}

/** The near end of a tunnel, which is for who has an account of this host. */
const OWN_HOST = /^(?:(?:[^.]+\.)?localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/;

/**
 * Why a server may not be reached from beyond its host; null: it may. A sign-in link stands in logs, shells and chats: it is enough
 * for a host that only its users reach, and not for the internet.
 */
export function exposureFault(
  { publicUrl, allowHost }: Ways,
  { hasPasswordAdmin, hasOidc }: SignInMethods,
): string | null {
  const proxied = allowHost.find((host) => !OWN_HOST.test(host));
  const way = publicUrl ?? (proxied === undefined ? null : `--allow-host ${proxied}`);
  if (way === null || hasPasswordAdmin || hasOidc) return null;
  return `${way} would be protected by sign-in links alone, and these stand in logs. Start the server without --listen, --public-url and --allow-host (but for a tunnel's localhost), sign in with a link of ./microterm open, and set a password in your account (or configure OIDC). Then use these options again.`;
}
