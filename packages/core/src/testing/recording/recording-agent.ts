import { PlatformError, type TerminalId } from "@microterm/protocol";
import type {
  GuestAgent,
  GuestClaim,
  GuestIdentity,
  GuestMetrics,
  GuestNetwork,
  GuestTerminal,
  GuestWake,
} from "../../ports/guest-agent.ts";

/** What a guest was told to be. */
export type Told =
  | ({ readonly call: "identify" } & GuestIdentity)
  | ({ readonly call: "claim" } & GuestClaim)
  | ({ readonly call: "wake" } & GuestWake)
  | ({ readonly call: "setNetwork" } & GuestNetwork);

const METRICS: GuestMetrics = {
  uptimeMs: 1,
  cpu: { userMs: 0, systemMs: 0, idleMs: 0 },
  memory: { totalKib: 1, availableKib: 1 },
  disk: { totalKib: 1, freeKib: 1 },
  processes: 1,
  load1: 0,
};

const unsupported = (): Promise<never> => Promise.reject(new PlatformError("UNSUPPORTED", "the guest is made up"));

export type Terminals = Map<TerminalId, GuestTerminal>;

export interface RecordingAgentOptions {
  /** What it does before it takes a network that it is told of; where it rejects, it takes none. */
  readonly beforeNetwork?: () => Promise<void>;
  /** What it does before it says which terminals it has. */
  readonly beforeTerminals?: () => Promise<void>;
}

/** A guest of nothing but what it was told, with terminals whose prompt comes at once. */
export function createRecordingAgent(
  told: Told[],
  terminals: Terminals,
  { beforeNetwork, beforeTerminals }: RecordingAgentOptions,
): GuestAgent {
  return {
    hello: { protocol: 4, agent: "recording", bootId: "recording", isSealed: false },
    closed: new Promise(() => {}),
    async identify(identity) {
      told.push({ call: "identify", ...identity });
      return { bootId: "recording" };
    },
    async seal() {
      terminals.clear();
    },
    async wake(wake) {
      told.push({ call: "wake", ...wake });
    },
    async claim(claim) {
      told.push({ call: "claim", ...claim });
    },
    async setNetwork(network) {
      await beforeNetwork?.();
      told.push({ call: "setNetwork", ...network });
    },
    async terminals() {
      await beforeTerminals?.();
      return [...terminals.values()];
    },
    async openTerminal({ id, cols, rows }) {
      const opened = { id, cols, rows, startOffset: 0n, endOffset: 2n, createdUnixMs: Date.now(), exit: null };
      terminals.set(id, opened);
      return opened;
    },
    async closeTerminal(id) {
      terminals.delete(id);
    },
    async attach(_id, { events }) {
      events.output(0n, new Uint8Array([36, 32]));
      return { ...NOTHING_TO_TYPE, resize() {}, pause() {}, resume() {} };
    },
    async exec(_request, events) {
      const stream = { ...NOTHING_TO_TYPE, resize() {}, pause() {}, resume() {}, signal() {} };
      return { ...stream, endInput: () => events.exited({ code: 0, signal: null }) };
    },
    ping: () => Promise.resolve(),
    metrics: async () => METRICS,
    names: unsupported,
    type: unsupported,
    stat: unsupported,
    list: unsupported,
    read: unsupported,
    write: unsupported,
    makeDirectory: unsupported,
    removeFile: unsupported,
    readTar: unsupported,
    writeTar: unsupported,
    watchPorts: unsupported,
    connect: unsupported,
    powerOff: unsupported,
    close() {},
  };
}

const NOTHING_TO_TYPE = { write: () => true, drained: () => Promise.resolve(), close() {} };
