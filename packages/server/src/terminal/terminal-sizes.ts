export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** One client's say in the size of a terminal. Each method answers with the size to ask the guest for, if any. */
export interface SizeSeat {
  /** The client's window has this size now. */
  resized(size: TerminalSize): TerminalSize | null;
  /** The client typed: the terminal is its own from here on. */
  typed(): TerminalSize | null;
  /** What the guest should have, by this client; asked after the channel to the guest was lost. */
  current(): TerminalSize | null;
  leave(): void;
}

interface Table {
  /** Whoever typed last, while it is there. */
  active: object | null;
  applied: TerminalSize | null;
  seats: number;
}

/** A terminal has one size, that of whoever typed last. While nobody has, the latest size of any client counts. */
export function createTerminalSizes(): { join(terminal: string): SizeSeat } {
  const tables = new Map<string, Table>();
  return {
    join(terminal) {
      const table = tables.get(terminal) ?? { active: null, applied: null, seats: 0 };
      tables.set(terminal, table);
      table.seats += 1;
      const self = {};
      let own: TerminalSize | null = null;
      const apply = (): TerminalSize | null => {
        if (own === null || (table.applied?.cols === own.cols && table.applied.rows === own.rows)) return null;
        table.applied = own;
        return own;
      };
      return {
        resized(size) {
          own = size;
          return table.active === null || table.active === self ? apply() : null;
        },
        typed() {
          if (table.active === self) return null;
          table.active = self;
          return apply();
        },
        current: () => (table.active === null || table.active === self ? own : null),
        leave() {
          if (table.active === self) table.active = null;
          table.seats -= 1;
          if (table.seats === 0) tables.delete(terminal);
        },
      };
    },
  };
}
