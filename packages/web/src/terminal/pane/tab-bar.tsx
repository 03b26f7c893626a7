import type { Terminal } from "@microterm/protocol";
import { Bell, Plus, X } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useSyncExternalStore } from "react";
import { COMMANDS } from "../../commands/table.ts";
import { Button } from "../../parts/button.tsx";
import { exitWords } from "../../parts/words.ts";
import { TabPeople } from "../../sharing/tab-people.tsx";
import type { Session } from "../session/session.ts";
import { INITIAL_STATE, type SessionState } from "../session/session-state.ts";

const NOTHING = { subscribe: () => () => undefined, get: () => INITIAL_STATE };

export const useSessionState = (session: Session | null): SessionState => {
  const { subscribe, get } = session ?? NOTHING;
  return useSyncExternalStore(subscribe, get);
};

/** `number`: its place on the bar, from 1. */
export const tabName = ({ title }: Pick<SessionState, "title">, number: number): string =>
  title || `Terminal ${number}`;

interface TabProps {
  readonly terminal: Terminal;
  readonly session: Session | null;
  readonly number: number;
  readonly isChosen: boolean;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onChoose: () => void;
  readonly onClose: () => void;
}

const Tab = ({ terminal, session, number, isChosen, onKeyDown, onChoose, onClose }: TabProps) => {
  const state = useSessionState(session);
  const exit = state.exit ?? terminal.exit;
  const name = tabName(state, number);
  const remark = exit ? exitWords(exit) : state.cwd;
  const place = useRef<HTMLSpanElement>(null);
  // The bar scrolls where it is too narrow: names grow in it, and tools come beside it.
  useEffect(() => {
    const tab = place.current;
    if (!isChosen || tab?.parentElement == null) return;
    const observer = new ResizeObserver(() => tab.scrollIntoView({ block: "nearest", inline: "nearest" }));
    observer.observe(tab);
    observer.observe(tab.parentElement);
    return () => observer.disconnect();
  }, [isChosen]);
  return (
    <span
      ref={place}
      className={`group/tab relative flex h-8 max-w-56 min-w-24 items-center rounded-t-md border border-b-0 ${isChosen ? "border-border bg-terminal text-text" : "border-transparent text-muted hover:bg-raised"}`}
    >
      <button
        type="button"
        role="tab"
        id={`tab-${terminal.id}`}
        aria-selected={isChosen}
        aria-controls="terminal-panel"
        aria-keyshortcuts="Delete"
        tabIndex={isChosen ? 0 : -1}
        title={remark === "" ? name : `${name}\n${remark}`}
        onKeyDown={onKeyDown}
        onClick={onChoose}
        onAuxClick={(event) => event.button === 1 && onClose()}
        className="flex h-full min-w-0 flex-1 items-center gap-1.5 rounded-t-md pr-7 pl-3 focus-visible:-outline-offset-2"
      >
        {state.hasRung && !isChosen && <Bell aria-label="Bell:" className="size-3.5 shrink-0 text-warn" />}
        {state.presence && <TabPeople presence={state.presence} />}
        <span className={`truncate ${exit ? "line-through decoration-muted" : ""}`}>{name}</span>
        {exit && (
          <span className={`shrink-0 text-xs ${exit.code === 0 ? "text-muted" : "text-danger"}`}>
            {exit.signal === null ? `exit ${exit.code}` : `signal ${exit.signal}`}
          </span>
        )}
      </button>
      <button
        type="button"
        tabIndex={-1}
        aria-label={`Close ${name}`}
        title="Close"
        onClick={onClose}
        className={`absolute right-1 grid size-5 place-items-center rounded-sm text-muted hover:bg-raised hover:text-text ${isChosen ? "" : "opacity-0 group-hover/tab:opacity-100 group-focus-within/tab:opacity-100"}`}
      >
        <X aria-hidden className="size-3.5" />
      </button>
    </span>
  );
};

export interface TabBarProps {
  readonly terminals: readonly Terminal[];
  readonly currentId: string | null;
  readonly sessionOf: (terminal: string) => Session | null;
  /** `isWalking`: by arrow keys, from tab to tab. */
  readonly onChoose: (terminal: string, isWalking: boolean) => void;
  readonly onClose: (terminal: string) => void;
  readonly onNew: () => void;
  readonly isAdding: boolean;
  /** To the right of the tabs. */
  readonly children?: ReactNode;
}

/** Tabs by the pattern of the ARIA Authoring Practices: arrows move, Delete closes. */
export const TabBar = (props: TabBarProps) => {
  const { terminals, currentId } = props;
  const list = useRef<HTMLDivElement>(null);
  const focusTab = (terminal: string | undefined): void => {
    if (terminal === undefined) return;
    props.onChoose(terminal, true);
    list.current?.querySelector<HTMLElement>(`#tab-${CSS.escape(terminal)}`)?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const at = terminals.findIndex(({ id }) => id === currentId);
    const count = terminals.length;
    const target: Readonly<Record<string, number>> = {
      ArrowLeft: (at + count - 1) % count,
      ArrowRight: (at + 1) % count,
      Home: 0,
      End: count - 1,
    };
    const index = target[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (index !== undefined) focusTab(terminals[index]?.id);
    else if (event.key === "Delete" && currentId !== null) props.onClose(currentId);
    else return;
    event.preventDefault();
  };
  return (
    <div className="relative flex h-9 shrink-0 items-end gap-1 border-b border-border bg-surface pr-2 pl-2">
      {/* A tablist may have nothing but tabs in it, and each of ours has a button beside it that closes it. */}
      <div role="tablist" aria-label="Terminals" aria-owns={terminals.map(({ id }) => `tab-${id}`).join(" ")} />
      <div ref={list} className="-mb-px flex min-w-0 items-end gap-1 overflow-x-auto [scrollbar-width:none]">
        {terminals.map((terminal, i) => (
          <Tab
            key={terminal.id}
            terminal={terminal}
            session={props.sessionOf(terminal.id)}
            number={i + 1}
            isChosen={terminal.id === currentId}
            onKeyDown={onKeyDown}
            onChoose={() => props.onChoose(terminal.id, false)}
            onClose={() => props.onClose(terminal.id)}
          />
        ))}
      </div>
      <Button
        look="quiet"
        isSquare
        needsServer
        className="mb-0.5 shrink-0"
        aria-label="Open another tab"
        aria-disabled={props.isAdding || undefined}
        title={`New terminal (${COMMANDS["terminal.new"].keys})`}
        onClick={props.isAdding ? undefined : props.onNew}
      >
        <Plus aria-hidden className="size-4" />
      </Button>
      <div className="mb-0.5 ml-auto flex shrink-0 items-center gap-1">{props.children}</div>
    </div>
  );
};
