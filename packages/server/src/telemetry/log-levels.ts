/** Of pino, from the most to the fewest lines. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;
