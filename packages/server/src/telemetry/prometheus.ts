import { type EnvironmentService, type Storage, SYSTEM } from "@microterm/core";
import { EnvironmentState } from "@microterm/protocol";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { TerminalHubs } from "../terminal/hub/hubs.ts";
import type { Meters } from "./meters.ts";

/** Seconds; a claim takes 20 ms, an emulated boot some seconds. */
const OPERATION_BUCKETS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120];
const CALL_BUCKETS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60];

export interface MeteredParts {
  readonly environments: Pick<EnvironmentService, "pool" | "templates" | "totalUsage">;
  readonly storage: Pick<Storage, "environments">;
  readonly terminals: Pick<TerminalHubs, "totals">;
}

export interface Prometheus {
  readonly meters: Meters;
  /** What is asked for each time that metrics are read. Once. */
  watch(parts: MeteredParts): void;
  /** In Prometheus' text format. */
  render(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createPrometheus(): Prometheus {
  const registry = new Registry();
  const registers = [registry];
  // CPU, memory, event-loop delay and garbage collection of this process.
  collectDefaultMetrics({ register: registry, prefix: "microterm_server_" });
  const operations = new Histogram({
    registers,
    name: "microterm_operation_duration_seconds",
    help: "Starts, resumes, stops, pauses and destroys of environments; starts by what the machine was made from",
    labelNames: ["operation", "method", "outcome"],
    buckets: OPERATION_BUCKETS,
  });
  const calls = new Histogram({
    registers,
    name: "microterm_daemon_call_duration_seconds",
    help: "Calls of microterm-host",
    labelNames: ["verb", "outcome"],
    buckets: CALL_BUCKETS,
  });
  return {
    meters: {
      daemonCalled: ({ verb, ms, outcome }) => calls.observe({ verb, outcome }, ms / 1000),
      operationEnded: ({ operation, method, outcome, ms }) =>
        operations.observe({ operation, method: method ?? "", outcome }, ms / 1000),
    },
    watch: (parts) => watch(registry, parts),
    render: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

function watch(registry: Registry, { environments, storage, terminals }: MeteredParts): void {
  function gauge<T extends string>(
    name: string,
    help: string,
    labelNames: readonly T[],
    collect: (own: Gauge<T>) => void | Promise<void>,
  ): void {
    new Gauge<T>({
      registers: [registry],
      name,
      help,
      labelNames: [...labelNames],
      async collect() {
        this.reset();
        // What cannot be asked now is left out; the rest is still of use.
        await Promise.resolve(collect(this)).catch(() => this.reset());
      },
    });
  }

  gauge("microterm_environments", "Environments of all owners", ["state"], async (own) => {
    for (const state of EnvironmentState.options) own.set({ state }, 0);
    for (const { state } of await storage.environments.list(SYSTEM)) own.inc({ state });
  });
  gauge("microterm_pool_machines", "Machines that wait to be claimed", ["kind"], (own) => {
    const { wanted, ready } = environments.pool();
    own.set({ kind: "wanted" }, wanted);
    own.set({ kind: "ready" }, ready);
  });
  gauge("microterm_templates", "Sizes by the state of their template", ["state"], (own) => {
    for (const { state } of environments.templates()) own.inc({ state });
  });
  gauge("microterm_terminals", "Terminals that are read, and clients attached to them", ["kind"], (own) => {
    const { terminals: read, clients } = terminals.totals();
    own.set({ kind: "terminals" }, read);
    own.set({ kind: "clients" }, clients);
  });
  new Counter({
    registers: [registry],
    name: "microterm_terminal_bytes_total",
    help: "Printed by terminals and typed into them since the start",
    labelNames: ["direction"],
    collect() {
      const { outputBytes, inputBytes } = terminals.totals();
      this.reset();
      this.inc({ direction: "output" }, outputBytes);
      this.inc({ direction: "input" }, inputBytes);
    },
  });
  gauge(
    "microterm_guests",
    "What the machines of all running environments take of the host",
    ["resource"],
    async (own) => {
      const { machines, cpuMs, memoryBytes, processes } = await environments.totalUsage();
      own.set({ resource: "machines" }, machines);
      own.set({ resource: "cpu_seconds" }, cpuMs / 1000);
      own.set({ resource: "memory_bytes" }, memoryBytes);
      own.set({ resource: "processes" }, processes);
    },
  );
}
