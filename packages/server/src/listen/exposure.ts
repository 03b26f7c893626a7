/** How people sign in to this server, besides with links that its host makes. */
export interface SignInMethods {
  /** An account with the role `admin` has a password. */
  readonly hasPasswordAdmin: boolean;
  /** An OIDC provider is configured. */
  readonly hasOidc: boolean;
}

/**
 * Why a server may not be reached from beyond its host; null: it may. A sign-in link stands in logs, shells and chats: it is enough
 * for a host that only its users reach, and not for the internet.
 */
export function exposureFault(publicUrl: string, { hasPasswordAdmin, hasOidc }: SignInMethods): string | null {
  if (hasPasswordAdmin || hasOidc) return null;
  return `${publicUrl} would be protected by sign-in links alone, and these stand in logs. Start the server without --listen and --public-url, sign in with a link of ./microterm open, and set a password in your account (or configure OIDC). Then use these options again.`;
}
