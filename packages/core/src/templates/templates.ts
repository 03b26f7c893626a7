import { type HostStatus, PlatformError, SIZES, Size, type TemplateStep } from "@microterm/protocol";
import type { MachineContext } from "../machines/machine-context.ts";
import { describeError } from "../messages/describe-error.ts";
import type { TemplateRepository } from "../ports/repository.ts";
import type { VmDriver, VmSnapshots } from "../ports/vm-driver.ts";
import { nap } from "../time/nap.ts";
import { createWakeup } from "../time/wakeup.ts";
import { BUILD_VERSION, buildTemplate } from "./build.ts";
import { BUILD_ORDER } from "./order.ts";

/** After two attempts that failed: the host may have more memory, or a newer daemon, by then. */
const AGAIN_MS = 5 * 60_000;

const PAUSE_MS = 100;
/** After the pool. */
const RANK = 1;

export type TemplateStatus = HostStatus["templates"][number];

/** The built templates of the sizes: which are there, and the making of those that are not. */
export interface Templates {
  /** What a size is restored from now; null when it has to boot. */
  keyOf(size: Size): string | null;
  status(): readonly TemplateStatus[];
  /** It was found damaged by who wanted to restore it: removes it, and builds it again. Never rejects. */
  broken(size: Size, key: string, reason: string): Promise<void>;
  /** Called whenever a template has become ready. */
  onReady(listener: (size: Size) => void): void;
  /** Called when templates of older builds are gone. */
  onRemoved(listener: () => void): void;
  /** Looks for what is there and goes on building in the background until `closing`. Once, after the recovery. */
  begin(): void;
  /** After `closing`: resolves when nothing is left of a build that was under way, or when it cannot be removed. Never rejects. */
  ended(): Promise<void>;
}

interface Entry {
  key: string | null;
  state: TemplateStatus["state"];
  step: TemplateStep | null;
  reason: string | null;
  /** Not tried again before this time, ms since the epoch. */
  notBefore: number;
}

export interface TemplatesOptions {
  readonly driver: VmDriver;
  readonly isEnabled: boolean;
  /** What the templates were built by. */
  readonly buildVersions: TemplateRepository;
}

export function createTemplates(
  context: MachineContext,
  { driver, isEnabled, buildVersions }: TemplatesOptions,
): Templates {
  const { snapshots } = driver;
  const { clock, log, scheduler, closing, network } = context;
  const hasNetwork = network.capabilities.policies.length > 0;
  const { signal } = closing;
  const state = snapshots === null ? "unsupported" : "waiting";
  const off = snapshots === null || isEnabled ? null : "the server was started without templates";
  const entries = new Map<Size, Entry>(
    Size.options.map((size) => [size, { key: null, state, step: null, reason: off, notBefore: 0 }]),
  );
  const entryOf = (size: Size) => entries.get(size) as Entry;
  const readyListeners: ((size: Size) => void)[] = [];
  const removedListeners: (() => void)[] = [];
  const wakeup = createWakeup();
  let building: Promise<unknown> = Promise.resolve();

  function ready(size: Size, key: string): void {
    Object.assign(entryOf(size), { key, state: "ready", step: null, reason: null } satisfies Partial<Entry>);
    for (const listener of readyListeners) listener(size);
  }

  /** What a size's template is called today. It is built only where this server would make the same. */
  async function find(size: Size, { findTemplate }: VmSnapshots): Promise<{ key: string; isBuilt: boolean }> {
    const { key, isBuilt } = await findTemplate({ ...SIZES[size], hasNetwork });
    return { key, isBuilt: isBuilt && (await buildVersions.buildVersionOf(key)) === BUILD_VERSION };
  }

  /** Templates are keyed by all that their saved state depends on: what today's keys don't name cannot be restored. */
  async function takeStock(): Promise<void> {
    if (snapshots === null) return;
    const today = new Set<string>();
    for (const size of BUILD_ORDER) {
      const { key, isBuilt } = await find(size, snapshots);
      today.add(key);
      if (isBuilt) ready(size, key);
      else entryOf(size).key = null;
    }
    for (const key of await snapshots.listTemplates()) {
      if (today.has(key)) continue;
      log.info("a template of an older build is removed", { template: key });
      await buildVersions.forget(key);
      await snapshots.removeTemplate(key);
    }
    for (const listener of removedListeners) listener();
  }

  async function build(size: Size): Promise<void> {
    if (snapshots === null) return;
    const entry = entryOf(size);
    for (let tries = 1; ; tries++) {
      const began = clock.now();
      try {
        const { key, isBuilt } = await find(size, snapshots);
        if (!isBuilt) {
          entry.state = "building";
          if (tries === 1) entry.reason = null;
          const onStep = (step: TemplateStep) => {
            entry.step = step;
          };
          // A build that was cut off, a damaged one, or an older server's may lie in its place.
          await buildVersions.forget(key);
          await snapshots.removeTemplate(key);
          const built = buildTemplate(context, { driver, snapshots, size, key, onStep, signal });
          building = built.catch(() => {});
          await built;
          await buildVersions.made(key, BUILD_VERSION);
          log.info("a template was built", { size, template: key, ms: clock.now() - began });
        }
        return ready(size, key);
      } catch (error) {
        if (signal.aborted) return;
        const reason = describeError(error);
        log.warn("a template could not be built", { size, tries, reason });
        const isShort = error instanceof PlatformError && error.code.startsWith("HOST_OUT_OF_");
        if (tries < 2 && !isShort) {
          entry.reason = `second attempt: ${reason}`;
          continue;
        }
        Object.assign(entry, { state: "failed", step: null, reason, notBefore: clock.now() + AGAIN_MS });
        return;
      }
    }
  }

  async function work(): Promise<void> {
    for (;;) {
      const now = clock.now();
      const missing = BUILD_ORDER.filter((size) => entryOf(size).state !== "ready");
      const next = missing.find((size) => entryOf(size).notBefore <= now);
      if (next !== undefined) {
        await scheduler.background(signal, RANK, () => build(next));
        // The pool, which has just heard that it can be filled, asks first.
        await clock.sleep(PAUSE_MS, signal);
        continue;
      }
      const woken = wakeup.next();
      const until = Math.min(...missing.map((size) => entryOf(size).notBefore));
      await nap({ clock, ms: Math.max(1, until - now), woken, signal });
    }
  }

  return {
    keyOf: (size) => {
      const entry = entryOf(size);
      return entry.state === "ready" ? entry.key : null;
    },
    status: () =>
      Size.options.map((size) => {
        const { state, step, reason } = entryOf(size);
        return { size, ...SIZES[size], state, step, reason };
      }),
    async broken(size, key, reason) {
      const entry = entryOf(size);
      // Several may find it out at once.
      if (entry.key !== key || entry.state !== "ready") return;
      log.error("a template is damaged and is built again", { size, template: key, reason });
      Object.assign(entry, { state: "waiting", reason: `it was damaged: ${reason}`, notBefore: 0 });
      try {
        await snapshots?.removeTemplate(key);
      } catch (error) {
        log.error("a damaged template could not be removed", { template: key, error: describeError(error) });
      }
      wakeup.wake();
    },
    onReady: (listener) => {
      readyListeners.push(listener);
    },
    onRemoved: (listener) => {
      removedListeners.push(listener);
    },
    ended: async () => {
      await building;
    },
    begin() {
      if (snapshots === null || !isEnabled) return;
      void (async () => {
        for (let pauseMs = 1_000; ; pauseMs = Math.min(2 * pauseMs, 60_000)) {
          try {
            await takeStock();
            return await work();
          } catch (error) {
            if (signal.aborted) return;
            log.error("the templates could not be looked after", { error: describeError(error) });
            await clock.sleep(pauseMs, signal).catch(() => {});
          }
        }
      })();
    },
  };
}
