import type { GuestAgent, GuestTerminal, TerminalEvents } from "@microterm/core";
import { PlatformError, type TerminalId } from "@microterm/protocol";

/** An agent in this process with one terminal, which prints what the test says and reads nothing. */
export interface PrintingAgent {
  readonly terminal: GuestTerminal;
  readonly agent: () => Promise<GuestAgent>;
  /** What the hub that reads it made of the newest stream. */
  readonly events: () => TerminalEvents;
  print(text: string): void;
}

export function createPrintingAgent(name: string): PrintingAgent {
  const terminal: GuestTerminal = {
    id: name as TerminalId,
    cols: 80,
    rows: 24,
    startOffset: 0n,
    endOffset: 0n,
    createdUnixMs: 1,
    exit: null,
  };
  let events: TerminalEvents | null = null;
  let end = 0n;
  const given = (): TerminalEvents => {
    if (events === null) throw new Error("nobody reads this terminal yet");
    return events;
  };
  const agent: Pick<GuestAgent, "attach" | "terminals" | "hello"> = {
    hello: { protocol: 2, agent: "printing", bootId: "", isSealed: false },
    terminals: async () => [terminal],
    attach: async (id, options) => {
      if (id !== terminal.id) throw new PlatformError("TERMINAL_NOT_FOUND", `no terminal ${id}`);
      events = options.events;
      return {
        write: () => true,
        drained: async () => undefined,
        resize: () => undefined,
        pause: () => undefined,
        resume: () => undefined,
        close: () => undefined,
      };
    },
  };
  return {
    terminal,
    agent: async () => agent as GuestAgent,
    events: given,
    print(text) {
      const bytes = Buffer.from(text);
      const { output } = given();
      const at = end;
      end += BigInt(bytes.length);
      output(at, bytes);
    },
  };
}
