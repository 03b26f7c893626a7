import type { Log } from "@microterm/core";
import type { Logger } from "pino";

/** Core's log on pino. */
export function coreLog(logger: Logger): Log {
  return {
    info: (message, fields) => logger.info({ ...fields }, message),
    warn: (message, fields) => logger.warn({ ...fields }, message),
    error: (message, fields) => logger.error({ ...fields }, message),
  };
}
