export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** One client's say in a terminal that others may look at too. The sizes are what to ask the guest for, if anything. */
export interface SizeSeat {
  /** The client's window has this size now. */
  resized(size: TerminalSize): TerminalSize | null;
  /** The client typed: the terminal is its own from here on. */
  typed(): TerminalSize | null;
  /** What the guest should have, by this client; asked after the channel to the guest was lost. */
  current(): TerminalSize | null;
  /** Is this the one client whose emulator answers the program's queries? Two answers would be taken for typing. */
  answers(): boolean;
  leave(): void;
}

interface Table {
  /** Whoever typed last, while it is there. */
  active: object | null;
  applied: TerminalSize | null;
  /** In the order of their coming. */
  readonly seats: Set<object>;
}

/** A terminal has one size, that of whoever typed last. While nobody has, the latest size of any client counts. */
export function createTerminalSizes(): { join(terminal: string): SizeSeat } {
  const tables = new Map<string, Table>();
  return {
    join(terminal) {
      const table = tables.get(terminal) ?? { active: null, applied: null, seats: new Set() };
      tables.set(terminal, table);
      const self = {};
      table.seats.add(self);
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
        answers: () => (table.active ?? table.seats.values().next().value) === self,
        leave() {
          if (table.active === self) table.active = null;
          table.seats.delete(self);
          if (table.seats.size === 0) tables.delete(terminal);
        },
      };
    },
  };
}
