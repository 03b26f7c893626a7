import { ArrowDown, ArrowUp, CaseSensitive, type LucideIcon, Regex, X } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Button } from "../../parts/button.tsx";
import type { Session } from "../session/session.ts";
import { createSearch, MAX_MATCHES, type Matches, type Query, type Search } from "./search.ts";

const NOTHING: Query = { text: "", isCaseSensitive: false, isRegex: false };
/** What was looked for last, in whichever terminal. */
let last = NOTHING;

const EMPTY: Matches = { count: 0, current: 0, fault: null };

const matchWords = ({ count, current, fault }: Matches, isAsked: boolean): string => {
  if (fault !== null) return fault;
  if (!isAsked) return "";
  if (count === 0) return "No match";
  const all = count >= MAX_MATCHES ? `more than ${MAX_MATCHES.toLocaleString("en")}` : count.toLocaleString("en");
  return current === 0 ? all : `${current.toLocaleString("en")} of ${all}`;
};

const useMatches = (search: Search | null): Matches =>
  useSyncExternalStore(search?.subscribe ?? (() => () => undefined), search?.get ?? (() => EMPTY));

export interface SearchBarProps {
  readonly session: Session;
  /** Changes each time that it is asked for: the field has the focus then. */
  readonly asked: number;
  readonly onClose: () => void;
}

/** Over the top of the terminal: its size must not change for a search. */
export const SearchBar = ({ session, asked, onClose }: SearchBarProps) => {
  const [search, setSearch] = useState<Search | null>(null);
  const [query, setQuery] = useState(last);
  const field = useRef<HTMLInputElement>(null);
  const matches = useMatches(search);
  useEffect(() => {
    const made = createSearch(session.terminal);
    setSearch(made);
    return () => {
      made.clear();
      made.dispose();
    };
  }, [session]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time that it is asked for.
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, [asked]);
  useEffect(() => {
    last = query;
    search?.find(query, 0);
  }, [search, query]);
  const change = (part: Partial<Query>): void => setQuery({ ...query, ...part });
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter" && event.target === field.current) search?.find(query, event.shiftKey ? 1 : -1);
    else return;
    event.preventDefault();
  };
  const step = (name: string, keys: string, Icon: LucideIcon, direction: -1 | 1) => (
    <Button
      look="quiet"
      isSquare
      aria-label={name}
      title={`${name} (${keys})`}
      aria-disabled={matches.count === 0 || undefined}
      onClick={() => search?.find(query, direction)}
    >
      <Icon aria-hidden className="size-4" />
    </Button>
  );
  const toggle = (name: string, isOn: boolean, Icon: LucideIcon, part: Partial<Query>) => (
    <Button
      look="quiet"
      isSquare
      aria-label={name}
      aria-pressed={isOn}
      title={name}
      className={isOn ? "bg-raised text-accent" : ""}
      onClick={() => change(part)}
    >
      <Icon aria-hidden className="size-4" />
    </Button>
  );
  return (
    <search
      aria-label="Find in this terminal"
      onKeyDown={onKeyDown}
      className="fade absolute top-2 right-4 z-2 flex max-w-[calc(100%-32px)] flex-wrap items-center gap-1 rounded-md border border-border bg-surface p-1 shadow-overlay"
    >
      <input
        ref={field}
        type="text"
        aria-label="Find"
        aria-invalid={matches.fault !== null}
        aria-describedby="terminal-matches"
        placeholder="Find"
        autoCapitalize="off"
        autoComplete="off"
        spellCheck={false}
        value={query.text}
        onChange={(event) => change({ text: event.currentTarget.value })}
        className="h-8 w-52 min-w-0 rounded-md border border-border bg-bg px-2 aria-invalid:border-danger max-sm:h-11"
      />
      <span
        id="terminal-matches"
        role="status"
        className={`min-w-20 max-w-64 truncate px-1 text-xs tabular-nums ${matches.fault === null ? "text-muted" : "text-danger"}`}
      >
        {matchWords(matches, query.text !== "")}
      </span>
      {toggle("Match case", query.isCaseSensitive, CaseSensitive, { isCaseSensitive: !query.isCaseSensitive })}
      {toggle("Regular expression", query.isRegex, Regex, { isRegex: !query.isRegex })}
      {step("Previous match", "Enter", ArrowUp, -1)}
      {step("Next match", "Shift+Enter", ArrowDown, 1)}
      <Button look="quiet" isSquare aria-label="Close the search" title="Close (Esc)" onClick={onClose}>
        <X aria-hidden className="size-4" />
      </Button>
    </search>
  );
};
