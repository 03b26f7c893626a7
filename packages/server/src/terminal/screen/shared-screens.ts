import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { KeptScreenRepository, TerminalPlace } from "@microterm/core";
import type { EnvironmentId } from "@microterm/protocol";
import { systemClock } from "../../process/system-clock.ts";
import { createOnceAMinute } from "../clients/once-a-minute.ts";
import { keptOffset, writeKeptScreen } from "./kept-screen.ts";
import type { KeptScreens } from "./kept-screens.ts";
import type { WrittenScreen } from "./model-host.ts";

/** Of one terminal: each is some hundred KB. What is printed in between is in the agent's ring, but for a flood. */
const SEND_EVERY_MS = 20_000;
/** One that is larger stays where it was written. */
const MAX_BYTES = 1024 * 1024;
/** A client waits for its terminal meanwhile. */
const FETCH_MS = 1_000;
/** A server that ends waits for it. */
const FLUSH_MS = 3_000;

/** The screens of a fleet: each server writes into its own folder, and what the next holder needs of it is in the database. */
export interface SharedScreens {
  /** Writes what the holder before has kept into this server's folder, where that is newer. Never rejects. */
  fetch(place: TerminalPlace, createdUnixMs: number): Promise<void>;
  /** There is another one in the folder. */
  kept(screen: WrittenScreen): void;
  /** Those of other terminals go. */
  prune(environment: EnvironmentId, terminals: readonly string[]): void;
  remove(place: TerminalPlace): void;
  /** The environment is gone, and those of its terminals with it. */
  forget(environment: EnvironmentId): void;
  /** Sends what was kept and not sent yet. Never rejects. */
  flush(): Promise<void>;
}

/** Of a server that is alone. */
export const OWN_SCREENS: SharedScreens = {
  fetch: async () => {},
  kept: () => {},
  prune: () => {},
  remove: () => {},
  forget: () => {},
  flush: async () => {},
};

interface Sending {
  screen: WrittenScreen;
  sentAt: number;
  timer: NodeJS.Timeout | null;
}

export function createSharedScreens(
  rows: KeptScreenRepository,
  { pathOf, placeOf }: Pick<KeptScreens, "pathOf" | "placeOf">,
  failed: (error: unknown) => void,
): SharedScreens {
  /** By path; of terminals that this server has followed. */
  const all = new Map<string, Sending>();
  const isFirstOfMinute = createOnceAMinute(systemClock);
  /** One after another: a server with many terminals takes one connection for it. */
  let sent: Promise<void> = Promise.resolve();

  async function send({ path, createdUnixMs, offset }: WrittenScreen): Promise<void> {
    const bytes = await readFile(path).catch(() => null);
    // It has gone meanwhile.
    if (bytes === null || bytes.length > MAX_BYTES) return;
    await rows.put({ ...placeOf(path), createdUnixMs, offset, bytes });
  }

  function sendNow(one: Sending): void {
    if (one.timer !== null) clearTimeout(one.timer);
    one.timer = null;
    one.sentAt = performance.now();
    sent = sent
      .then(() => send(one.screen))
      .catch((error: unknown) => {
        if (isFirstOfMinute("failed")) failed(error);
      });
  }

  function drop(path: string): void {
    const timer = all.get(path)?.timer ?? null;
    if (timer !== null) clearTimeout(timer);
    all.delete(path);
  }

  function forget(environment: EnvironmentId, but: readonly string[]): void {
    for (const path of all.keys()) {
      const place = placeOf(path);
      if (place.environment === environment && !but.includes(place.terminal)) drop(path);
    }
  }

  return {
    async fetch(place, createdUnixMs) {
      const path = pathOf(place.environment, place.terminal);
      const late = delay(FETCH_MS, null, { ref: false });
      const row = await Promise.race([rows.get(place).catch(() => null), late]);
      if (row === null || row.createdUnixMs !== createdUnixMs) return;
      try {
        if (row.offset > (keptOffset(path, createdUnixMs) ?? -1n)) writeKeptScreen(path, row.bytes);
      } catch (error) {
        failed(error);
      }
    },

    kept(screen) {
      const one = all.get(screen.path) ?? { screen, sentAt: -SEND_EVERY_MS, timer: null };
      all.set(screen.path, one);
      one.screen = screen;
      const waitMs = Math.max(0, one.sentAt + SEND_EVERY_MS - performance.now());
      one.timer ??= setTimeout(() => sendNow(one), waitMs).unref();
    },

    prune(environment, terminals) {
      forget(environment, terminals);
      if (isFirstOfMinute(environment)) rows.prune(environment, terminals).catch(failed);
    },

    remove(place) {
      drop(pathOf(place.environment, place.terminal));
      sent = sent.then(() => rows.remove(place)).catch(failed);
    },

    forget: (environment) => forget(environment, []),

    async flush() {
      for (const one of all.values()) if (one.timer !== null) sendNow(one);
      await Promise.race([sent, delay(FLUSH_MS, undefined, { ref: false })]);
    },
  };
}
