/**
 * OSC 8 targets, kept for as long as a cell or the cursor names them.
 *
 * xterm.js 6.0 keeps a target while one of the rows is there that it was printed in. Rows that are moved by a scroll region leave that
 * place, so that a link on the screen loses its target; RIS drops the rows and keeps all targets, so that a bound on their number is
 * reached for good; and each row of each link costs a search. Here rows are not tracked: once there are many targets, those that no
 * cell names any more are dropped.
 */
import { coreOf, type LinkData, type ScreenTerminal } from "../xterm-internals.ts";

/** UTF-16 units of a target with its id, as in other terminals; and how many targets there may be at a time. */
const MAX_LINK = 4096;
const MAX_LINKS = 10_000;
/** Fewer are not worth a look at all cells. */
const FIRST_SWEEP = 1000;
const HAS_EXTENDED = 0x10000000;
/** How a screen names its links: a number, and the program's own id behind a point. */
const WIRE_ID = /^(\d{1,6})(?:\.(.*))?$/s;

export interface LinkTable {
  /** From here on targets come as a screen names them, until {@link endRestore}. */
  beginRestore(): void;
  endRestore(): void;
  /** xterm.js's number of the link that the restored screen gave this one; 0: none. */
  restored(wire: number): number;
}

const tables = new WeakMap<object, LinkTable>();

/** The table of a guarded terminal. */
export const linkTableOf = (terminal: ScreenTerminal): LinkTable => {
  const table = tables.get(coreOf(terminal));
  if (table === undefined) throw new Error("the terminal is not guarded");
  return table;
};

export const keepLinks = (terminal: ScreenTerminal): void => {
  const core = coreOf(terminal);
  const { _oscLinkService: service } = core;
  const { _dataByLinkId: entries, _entriesWithId: byKey } = service;
  let restoring: Map<number, number> | null = null;
  let numbers = new Map<number, number>();
  let sweepAt = FIRST_SWEEP;
  /** Links that were registered, or refused, since the last sweep. */
  let asked = FIRST_SWEEP;

  const sweep = (): void => {
    const live = new Set([core._inputHandler._curAttrData.extended.urlId]);
    for (const { lines } of [core.buffers.normal, core.buffers.alt]) {
      for (let y = 0; y < lines.length; y++) {
        const line = lines.get(y);
        if (line === undefined) continue;
        for (const x in line._extendedAttrs) {
          const isShown = ((line._data[Number(x) * 3 + 2] ?? 0) & HAS_EXTENDED) !== 0;
          if (isShown) live.add(line._extendedAttrs[x]?.urlId ?? 0);
        }
      }
    }
    for (const [number, { key }] of entries) {
      if (live.has(number)) continue;
      entries.delete(number);
      if (key !== undefined) byKey.delete(key);
    }
    asked = 0;
    sweepAt = Math.min(Math.max(FIRST_SWEEP, entries.size * 2), MAX_LINKS);
  };

  const register = ({ id, uri }: LinkData): number => {
    if (uri.length + (id?.length ?? 0) > MAX_LINK) return 0;
    const key = id === undefined ? undefined : `${id};;${uri}`;
    const known = key === undefined ? undefined : byKey.get(key);
    if (known !== undefined) return known.id;
    // Where all are shown a sweep frees none: the next one has to wait, or each link costs a look at the whole screen.
    asked += 1;
    if (entries.size >= sweepAt && asked >= FIRST_SWEEP) sweep();
    if (entries.size >= MAX_LINKS) return 0;
    const entry = { id: service._nextId++, data: { id, uri }, lines: [], key };
    entries.set(entry.id, entry);
    if (key !== undefined) byKey.set(key, entry);
    return entry.id;
  };

  service.registerLink = (data) => {
    const wire = restoring === null ? null : WIRE_ID.exec(data.id ?? "");
    if (restoring === null || wire === null) return register(data);
    const name = Number(wire[1]);
    const number = restoring.get(name) ?? register({ id: wire[2], uri: data.uri });
    restoring.set(name, number);
    return number;
  };
  service.addLineToLink = () => undefined;

  tables.set(core, {
    beginRestore() {
      restoring = new Map();
      numbers = restoring;
    },
    endRestore() {
      restoring = null;
    },
    restored: (wire) => numbers.get(wire) ?? 0,
  });
};
