import type { Observer } from "@microterm/core";
import type { Logger } from "pino";
import type { Meters } from "./meters.ts";

/** A line for each operation that has ended, with its ids and the time of each step, and its place in the figures. */
export function createObserver(log: Pick<Logger, "info">, meters: Meters): Observer {
  return {
    operationEnded(report) {
      const { method, ...rest } = report;
      log.info({ ...rest, startMethod: method }, "operation");
      meters.operationEnded(report);
    },
  };
}
