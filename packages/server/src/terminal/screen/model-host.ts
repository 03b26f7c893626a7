import { type ResourceLimits, Worker } from "node:worker_threads";
import type { Appearance, TerminalEvent } from "@microterm/protocol";
import type { Screen } from "@microterm/screen";
import { threadEnvironment } from "../../process/lean-process.ts";
import { contained } from "../hub/contained.ts";
import { type FromWorker, type ToWorker, WORKER_NOW } from "./model-messages.ts";

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

export interface ModelOptions extends Omit<Extract<ToWorker, { kind: "open" }>, "kind" | "key" | "isEmpty"> {
  opened(opened: Omit<Extract<FromWorker, { kind: "opened" }>, "kind" | "key">): void;
  parsed(): void;
  news(offset: bigint, news: readonly TerminalEvent[]): void;
  reply(text: string): void;
  /** The worker died with this model in it, perhaps of what it was just dealing with: nothing more comes of it. */
  lost(isCulprit: boolean): void;
  /** One of the above threw. */
  broke(error: unknown): void;
}

/** The main thread's end of one screen model. */
export interface Model {
  /** The worker died with it too often: it is to be given gaps instead of output. */
  readonly isEmpty: boolean;
  output(end: bigint, bytes: Uint8Array): void;
  resized(cols: number, rows: number): void;
  gap(end: bigint): void;
  setAppearance(appearance: Appearance): void;
  /** The screen with everything given so far. Rejects when the worker dies. */
  capture(): Promise<Captured>;
  /** Given and not parsed, bytes. */
  readonly unparsed: number;
  /** Resolves when nothing is written to its path any more. */
  close(isKept: boolean): Promise<void>;
}

export interface ModelHost {
  /** Starts the worker, if none runs: somebody is about to look at a terminal. The first {@link open} does as well. */
  begin(): void;
  open(options: ModelOptions): Model;
  /** Keeps every screen, and ends the worker. */
  stop(): Promise<void>;
}

interface Entry {
  readonly options: ModelOptions;
  readonly key: number;
  readonly captures: Map<number, PromiseWithResolvers<Captured>>;
  /** What each message counts that was sent and is not dealt with. */
  readonly costs: number[];
  unparsed: number;
  isOpen: boolean;
  isClosed: boolean;
}

interface HostLog {
  error(fields: object, message: string): void;
}

/** One worker thread for all models, from the first on: it takes 25 MB. One that crashes or hangs is replaced, and the owners of its models are told. */
export function createModelHost(log: HostLog, limits: ResourceLimits = LIMITS): ModelHost {
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
    worker = start();
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
      // At once, so that nobody asks a model that is gone. What they open now waits for the next worker.
      const lost = entries;
      entries = new Map();
      for (const entry of lost.values()) lose(entry, Atomics.load(now, WORKER_NOW.busy) === entry.key);
    });
    own.unref();
    return own;
  }

  function lose({ captures, options, isClosed }: Entry, isCulprit: boolean): void {
    if (isCulprit) {
      strikes.set(nameOf(options), (strikes.get(nameOf(options)) ?? 0) + 1);
      log.error({ path: options.path }, "the worker of the screen models died of this terminal's output");
    }
    if (!isClosed) contained(options.broke, options.lost)(isCulprit);
    for (const { reject } of captures.values()) reject(new Error("the worker of the screen models died"));
  }

  function receive(message: FromWorker): void {
    if (message.kind === "stopped") {
      stopped?.();
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
      log.error({ path: entry?.options.path, fault: text }, `an exception cost a screen model its ${lost}`);
      return;
    }
    if (entry !== undefined) contained(entry.options.broke, deal)(entry, message);
  }

  function deal(entry: Entry, message: Exclude<FromWorker, { kind: "fault" | "closed" | "stopped" }>): void {
    const { options } = entry;
    switch (message.kind) {
      case "opened":
        entry.isOpen = true;
        options.opened(message);
        break;
      case "parsed":
        entry.unparsed -= entry.costs.shift() ?? 0;
        if (message.buffer !== null && spare.length < SPARE_BUFFERS) spare.push(message.buffer);
        options.parsed();
        break;
      case "news":
        options.news(message.offset, message.news);
        break;
      case "reply":
        options.reply(message.text);
        break;
      case "screen":
        entry.captures.get(message.id)?.resolve(message);
        entry.captures.delete(message.id);
    }
  }

  return {
    begin,
    open(options) {
      begin();
      const key = nextKey++;
      const entry: Entry = {
        options,
        key,
        captures: new Map(),
        costs: [],
        unparsed: 0,
        isOpen: false,
        isClosed: false,
      };
      const isEmpty = (strikes.get(nameOf(options)) ?? 0) >= STRIKES;
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
      const { opened: _1, parsed: _2, news: _3, reply: _4, lost: _5, broke: _6, ...rest } = options;
      send({ kind: "open", key, isEmpty, ...rest });
      return {
        isEmpty,
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
          if (open !== null) flushing ??= setImmediate(contained(options.broke, flush));
        },
        resized: (cols, rows) => step({ kind: "resized", key, cols, rows }),
        gap: (end) => step({ kind: "gap", key, end }),
        setAppearance: (appearance) => post({ kind: "appearance", key, appearance }),
        capture() {
          const capture = Promise.withResolvers<Captured>();
          const id = nextId++;
          if (entries.get(key) !== entry) return Promise.reject(new Error("the screen model is gone"));
          entry.captures.set(id, capture);
          post({ kind: "capture", key, id });
          return capture.promise;
        },
        get unparsed() {
          return entry.unparsed;
        },
        close(isKept) {
          // One that was lost is in no worker.
          if (entry.isClosed || entries.get(key) !== entry) return Promise.resolve();
          entry.isClosed = true;
          for (const { reject } of entry.captures.values()) reject(new Error("the screen model is gone"));
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
const nameOf = ({ path, createdUnixMs }: ModelOptions): string => `${path} ${createdUnixMs}`;
