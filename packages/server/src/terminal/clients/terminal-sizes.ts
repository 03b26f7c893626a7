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
  /** Is this the one client that speaks for the terminal, with its focus and its colours? Two reports would be taken for typing. */
  answers(): boolean;
  leave(): void;
}

export interface SeatOptions {
  /** Its size counts once it has typed, and not before: an editor's. */
  readonly isByTypingAlone?: boolean;
}

/** A terminal has one size, that of the client that typed last. While none has, the latest size of any client counts. */
export function createTerminalSizes(): { join(options?: SeatOptions): SizeSeat } {
  /** In the order of their coming. */
  const seats = new Set<object>();
  /** The client that typed last, while it is there. */
  let active: object | null = null;
  let applied: TerminalSize | null = null;
  return {
    join({ isByTypingAlone = false } = {}) {
      const self = {};
      seats.add(self);
      let own: TerminalSize | null = null;
      const apply = (): TerminalSize | null => {
        if (own === null || (applied?.cols === own.cols && applied.rows === own.rows)) return null;
        applied = own;
        return own;
      };
      return {
        resized(size) {
          own = size;
          return active === self || (active === null && !isByTypingAlone) ? apply() : null;
        },
        typed() {
          if (active === self) return null;
          active = self;
          return apply();
        },
        answers: () => (active ?? seats.values().next().value) === self,
        leave() {
          if (active === self) active = null;
          seats.delete(self);
          if (seats.size === 0) applied = null;
        },
      };
    },
  };
}
