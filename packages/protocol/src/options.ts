/** Values of options that set-up checks before a server is there to do so. */

/** Of `--log-level`: pino's, from the most to the fewest lines. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** A value of `--allow-host`: as browsers send it in `Host`, the port left out where it is the scheme's own. */
export const ALLOWED_HOST = /^(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:]{2,45}\])(?::\d{1,5})?$/;
