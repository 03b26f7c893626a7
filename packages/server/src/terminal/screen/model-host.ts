import { type ResourceLimits, Worker } from "node:worker_threads";
import type { Appearance, TerminalEvent } from "@microterm/protocol";
import type { Screen } from "@microterm/screen";
import { threadEnvironment } from "../../process/lean-process.ts";
import { runOutsideRequest } from "../../telemetry/request-context.ts";
import { contained } from "../hub/contained.ts";
import { type FromWorker, type ScreenPart, type ToWorker, WORKER_NOW } from "./model-messages.ts";

/** A worker that has taken no step for so long hangs. */
const HANG_MS = 15_000;
const CHECK_MS = 1000;
/** Its heap; a screen of 1,000 rows takes a few MB. */
const LIMITS = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 6 };
/** Output travels in buffers of this size, which come back; so many of them are kept. */
const BUFFER_BYTES = 64 * 1024;
const SPARE_BUFFERS = 32;
/** What a size or a gap counts as in {@link Model.unparsed}: bytes whose parsing takes as long. */
const STEP_COST = 16 * 1024;
/** A worker that dies at once must not be started at full speed. */
const RESTART_MS = 200;
const STOP_MS = 2000;
/** A terminal with which the worker died so often gets no more than an empty screen. */
const STRIKES = 2;

export interface Captured {
  readonly offset: bigint;
  readonly screen: Screen;
}

/** What a model is opened with: model-messages.ts. */
export type ModelRequest = Omit<Extract<ToWorker, { kind: "open" }>, "kind" | "key" | "isBlank">;

/** Of which terminal, and with all output up to where. */
export type WrittenScreen = Omit<Extract<FromWorker, { kind: "kept" }>, "kind">;

/** Where a model begins, and what is known of its screen. */
export type ModelStart = Omit<Extract<FromWorker, { kind: "opened" }>, "kind" | "key">;

export interface ModelEvents {
  /** Something that it was given. */
  parsed(): void;
  notified(offset: bigint, events: readonly TerminalEvent[]): void;
  replied(text: string): void;
  /** The worker died with this model in it, perhaps of what it was just dealing with: nothing more comes of it. */
  lost(isCulprit: boolean): void;
  /** One of the above threw. */
  broke(error: unknown): void;
}

/** The main thread's end of one screen model. */
export interface Model {
  /** The worker died with it too often: it is to be given gaps instead of output. */
  readonly isBlank: boolean;
  /** Rejects when the worker dies before, or it is closed. */
  readonly opened: Promise<ModelStart>;
  /** To be called once. What was reported before comes at once. */
  listen(events: ModelEvents): void;
  output(end: bigint, bytes: Uint8Array): void;
  resized(cols: number, rows: number): void;
  gap(end: bigint): void;
  setAppearance(appearance: Appearance): void;
  /** The screen with everything given so far. Rejects when the worker dies. */
  capture(part?: ScreenPart): Promise<Captured>;
  /** Given and not parsed, bytes. */
  readonly unparsed: number;
  /** Resolves when nothing is written to its path any more. */
  close(isKept: boolean): Promise<void>;
}

export interface ModelHost {
  /** Starts the worker, if none runs: a client is about to come. The first {@link open} does as well. */
  begin(): void;
  open(request: ModelRequest): Model;
  /** Keeps every screen, and ends the worker. */
  stop(): Promise<void>;
}

interface Entry {
  readonly request: ModelRequest;
  readonly key: number;
  readonly opened: PromiseWithResolvers<ModelStart>;
  readonly captures: Map<number, PromiseWithResolvers<Captured>>;
  /** What each message counts that was sent and is not dealt with. */
  readonly costs: number[];
  events: ModelEvents | null;
  /** What there was to report before there were `events`. */
  unheard: ((events: ModelEvents) => void)[];
  unparsed: number;
  isOpen: boolean;
  isClosed: boolean;
}

interface HostLog {
  error(fields: object, message: string): void;
}

export interface ModelHostOptions {
  readonly limits?: ResourceLimits;
  /** A screen was written to its path. */
  readonly kept?: (screen: WrittenScreen) => void;
}

/** One worker thread for all models, from the first on: it takes 25 MB. One that crashes or hangs is replaced, and the owners of its models are told. */
export function createModelHost(log: HostLog, { limits = LIMITS, kept = () => {} }: ModelHostOptions = {}): ModelHost {
  let entries = new Map<number, Entry>();
  /** Models that the worker is still to be done with. */
  const closing = new Map<number, () => void>();
  let nextKey = 1;
  let nextId = 1;
  let isStopping = false;
  let stopped: (() => void) | null = null;
  let progressAt = performance.now();
  /** Of the worker, when it was looked at last. */
  let steps = 0;
  const spare: ArrayBuffer[] = [];
  const strikes = new Map<string, number>();
  /** For the worker that is to come. */
  let waiting: { readonly message: ToWorker; readonly transfer: ArrayBuffer[] }[] = [];
  let worker: Worker | null = null;
  let isRestarting = false;

  function endIfHanging(own: Worker, now: Int32Array): void {
    const isWaiting = [...entries.values()].some(
      ({ costs, captures, isOpen }) => costs.length > 0 || captures.size > 0 || !isOpen,
    );
    const taken = Atomics.load(now, WORKER_NOW.steps);
    if (!isWaiting || taken !== steps) progressAt = performance.now();
    steps = taken;
    if (performance.now() - progressAt > HANG_MS) {
      log.error({}, "the worker of the screen models hangs and is replaced");
      void own.terminate();
    }
  }

  function begin(): void {
    if (worker !== null || isRestarting || isStopping) return;
    worker = runOutsideRequest(start);
    for (const { message, transfer } of waiting) worker.postMessage(message, transfer);
    waiting = [];
  }

  function start(): Worker {
    const now = new Int32Array(new SharedArrayBuffer(4 * Object.keys(WORKER_NOW).length));
    const own = new Worker(new URL("./model-worker.ts", import.meta.url), {
      resourceLimits: limits,
      env: threadEnvironment(),
      workerData: now,
    });
    progressAt = performance.now();
    own.on("message", receive);
    own.on("error", (error) => log.error({ err: error }, "the worker of the screen models failed"));
    const check = setInterval(() => endIfHanging(own, now), CHECK_MS).unref();
    own.once("exit", () => {
      clearInterval(check);
      for (const closed of closing.values()) closed();
      closing.clear();
      if (isStopping || own !== worker) return;
      worker = null;
      isRestarting = true;
      setTimeout(() => {
        isRestarting = false;
        begin();
      }, RESTART_MS);
      // At once, so that no model is asked that is gone. What is opened now waits for the next worker.
      const lost = entries;
      entries = new Map();
      for (const entry of lost.values()) lose(entry, Atomics.load(now, WORKER_NOW.busy) === entry.key);
    });
    own.unref();
    return own;
  }

  function report(entry: Entry, happened: (events: ModelEvents) => void): void {
    const { events } = entry;
    if (events === null) entry.unheard.push(happened);
    else contained(events.broke, happened)(events);
  }

  function lose(entry: Entry, isCulprit: boolean): void {
    const { captures, opened, request, isClosed } = entry;
    if (isCulprit) {
      strikes.set(nameOf(request), (strikes.get(nameOf(request)) ?? 0) + 1);
      log.error({ path: request.path }, "the worker of the screen models died of this terminal's output");
    }
    const error = new Error("the worker of the screen models died");
    opened.reject(error);
    if (!isClosed) report(entry, (events) => events.lost(isCulprit));
    for (const { reject } of captures.values()) reject(error);
  }

  function receive(message: FromWorker): void {
    if (message.kind === "stopped") {
      stopped?.();
      return;
    }
    if (message.kind === "kept") {
      kept(message);
      return;
    }
    if (message.kind === "closed") {
      closing.get(message.key)?.();
      closing.delete(message.key);
      return;
    }
    const entry = entries.get(message.key);
    if (message.kind === "fault") {
      const { lost, text } = message;
      log.error({ path: entry?.request.path, fault: text }, `an exception cost a screen model its ${lost}`);
      return;
    }
    if (entry !== undefined) deal(entry, message);
  }

  function deal(entry: Entry, message: Exclude<FromWorker, { kind: "fault" | "closed" | "stopped" | "kept" }>): void {
    switch (message.kind) {
      case "opened":
        entry.isOpen = true;
        entry.opened.resolve(message);
        break;
      case "parsed":
        entry.unparsed -= entry.costs.shift() ?? 0;
        if (message.buffer !== null && spare.length < SPARE_BUFFERS) spare.push(message.buffer);
        report(entry, (events) => events.parsed());
        break;
      case "events":
        report(entry, (events) => events.notified(message.offset, message.events));
        break;
      case "reply":
        report(entry, (events) => events.replied(message.text));
        break;
      case "screen":
        entry.captures.get(message.id)?.resolve(message);
        entry.captures.delete(message.id);
    }
  }

  return {
    begin,
    open(request) {
      begin();
      const key = nextKey++;
      const entry: Entry = {
        request,
        key,
        opened: Promise.withResolvers(),
        captures: new Map(),
        costs: [],
        events: null,
        unheard: [],
        unparsed: 0,
        isOpen: false,
        isClosed: false,
      };
      // One that is reopened may be closed or lost before, which its events say as well.
      entry.opened.promise.catch(() => undefined);
      const isBlank = (strikes.get(nameOf(request)) ?? 0) >= STRIKES;
      entries.set(key, entry);
      let open: { readonly bytes: Uint8Array<ArrayBuffer>; length: number; end: bigint } | null = null;
      let flushing: NodeJS.Immediate | null = null;
      const send = (message: ToWorker, transfer: ArrayBuffer[] = []): void => {
        if (entries.get(key) !== entry) return;
        if (worker === null) waiting.push({ message, transfer });
        else worker.postMessage(message, transfer);
      };
      const flush = (): void => {
        if (flushing !== null) clearImmediate(flushing);
        flushing = null;
        if (open === null) return;
        const { bytes, length, end } = open;
        open = null;
        entry.costs.push(length);
        send({ kind: "output", key, end, buffer: bytes.buffer, length }, [bytes.buffer]);
      };
      /** What must stay behind the output before it. */
      const post = (message: ToWorker): void => {
        flush();
        send(message);
      };
      const step = (message: ToWorker): void => {
        post(message);
        entry.costs.push(STEP_COST);
        entry.unparsed += STEP_COST;
      };
      send({ kind: "open", key, isBlank, ...request });
      return {
        isBlank,
        opened: entry.opened.promise,
        listen(events) {
          entry.events = events;
          for (const happened of entry.unheard.splice(0)) report(entry, happened);
        },
        output(end, bytes) {
          // Copied: these bytes are on their way to the clients too.
          let left = bytes;
          while (left.length > 0) {
            open ??= { bytes: new Uint8Array(spare.pop() ?? new ArrayBuffer(BUFFER_BYTES)), length: 0, end };
            const part = left.subarray(0, BUFFER_BYTES - open.length);
            left = left.subarray(part.length);
            open.bytes.set(part, open.length);
            open.length += part.length;
            open.end = end - BigInt(left.length);
            entry.unparsed += part.length;
            if (open.length === BUFFER_BYTES) flush();
          }
          // Once the clients have theirs.
          if (open !== null) flushing ??= setImmediate(() => report(entry, flush));
        },
        resized: (cols, rows) => step({ kind: "resized", key, cols, rows }),
        gap: (end) => step({ kind: "gap", key, end }),
        setAppearance: (appearance) => post({ kind: "appearance", key, appearance }),
        capture(part = "whole") {
          const capture = Promise.withResolvers<Captured>();
          const id = nextId++;
          if (entries.get(key) !== entry) return Promise.reject(new Error("the screen model is gone"));
          entry.captures.set(id, capture);
          post({ kind: "capture", key, id, part });
          return capture.promise;
        },
        get unparsed() {
          return entry.unparsed;
        },
        close(isKept) {
          // One that was lost is in no worker.
          if (entry.isClosed || entries.get(key) !== entry) return Promise.resolve();
          entry.isClosed = true;
          const gone = new Error("the screen model is gone");
          entry.opened.reject(gone);
          for (const { reject } of entry.captures.values()) reject(gone);
          const closed = new Promise<void>((resolve) => closing.set(key, resolve));
          post({ kind: "close", key, isKept });
          entries.delete(key);
          return closed;
        },
      };
    },
    async stop() {
      isStopping = true;
      const done = new Promise<void>((resolve) => {
        stopped = resolve;
      });
      const last = worker;
      if (last === null) return;
      last.postMessage({ kind: "stop" } satisfies ToWorker);
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
      await last.terminate();
    },
  };
}

/** Tells a terminal from another of its name. */
const nameOf = ({ path, createdUnixMs }: ModelRequest): string => `${path} ${createdUnixMs}`;
