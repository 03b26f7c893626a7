import type { GuestAgent, GuestTerminal } from "@microterm/core";
import type { ModelHost } from "../screen/model-host.ts";

/** Since the server's start. */
export interface TerminalTotals {
  /** Attached now. */
  clients: number;
  /** Printed by terminals, with or without clients. */
  outputBytes: number;
  inputBytes: number;
}

export interface HubOptions {
  readonly terminal: GuestTerminal;
  readonly agent: () => Promise<GuestAgent>;
  readonly isEnvironmentPaused: () => Promise<boolean>;
  readonly onChange: (listener: () => void) => () => void;
  readonly models: ModelHost;
  /** Rows that the terminal keeps above its screen. */
  readonly scrollback: number;
  /** Where the screen is kept. */
  readonly path: string;
  /** Of all hubs together; each adds its own. */
  readonly totals: TerminalTotals;
  /** A client typed. */
  onInput(): void;
  /** Something was thrown in what deals with this terminal. */
  broke(error: unknown): void;
  /** The hub is of no use any more; its clients were disconnected. */
  onOver(): void;
}
