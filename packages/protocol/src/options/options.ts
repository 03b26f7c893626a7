/** Values of options that set-up checks before a server is there to do so. */

/** Of `--log-level`: pino's, from the most to the fewest lines. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** A value of `--preview-domain`: two labels or more, and a port where that is not 443. */
export const PREVIEW_DOMAIN =
  /^(?=.{3,190}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+(:\d{1,5})?$/;

/**
 * Whether two hosts have their last two labels in common, and may be one site to a browser: then a guest's page at one could set cookies
 * for the other. Where more labels are public, as in co.uk, this refuses a domain that would do.
 */
export function mayBeOneSite(one: string, other: string): boolean {
  const site = (host: string): string => host.replace(/:\d+$/, "").split(".").slice(-2).join(".");
  return site(one) === site(other);
}

/** A value of `--allow-host`: as browsers send it in `Host`, the port left out where it is the scheme's own. */
export const ALLOWED_HOST = /^(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,45}\])(?::\d{1,5})?$/;
