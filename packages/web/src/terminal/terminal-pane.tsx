import type { Environment, Terminal } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { client, sessionQuery } from "../api/queries.ts";
import { FailureNote } from "../parts/failure.tsx";
import { StatusBar } from "../parts/status-bar.tsx";
import { RENDERER } from "../renderer.ts";
import { EndBar, LinkTarget, NoticeBar, PastePreview, ReconnectCover } from "./covers.tsx";
import { openSession, type Session } from "./session.ts";
import { INITIAL_STATE } from "./session-state.ts";
import { changeTerminalSettings, terminalSettings, useTerminalSettings } from "./settings.ts";
import { StatusItems } from "./status-items.tsx";
import { documentTitle } from "./title.ts";

const useSession = (environment: Environment, terminal: Terminal) => {
  const host = useRef<HTMLDivElement>(null);
  const [session, setSession] = useState<Session | null>(null);
  const { id } = environment;
  const { id: terminalId, createdAt } = terminal;
  useEffect(() => {
    if (host.current === null) return;
    const opened = openSession({
      client,
      environment: id,
      terminal: terminalId,
      keptAs: `${id}.${terminalId}.${createdAt}`,
      host: host.current,
      renderer: RENDERER,
      keys: () => ({
        isTabFree: terminalSettings().isTabFree,
        onToggleTab: () => changeTerminalSettings({ isTabFree: !terminalSettings().isTabFree }),
      }),
    });
    setSession(opened);
    return () => {
      opened.dispose();
      setSession(null);
    };
  }, [id, terminalId, createdAt]);
  const state = useSyncExternalStore(
    session?.subscribe ?? (() => () => undefined),
    session?.get ?? (() => INITIAL_STATE),
  );
  return { host, session, state };
};

interface ViewProps {
  readonly environment: Environment;
  readonly terminal: Terminal;
  readonly onReplace: () => void;
  readonly isReplacing: boolean;
}

const TerminalView = ({ environment, terminal, onReplace, isReplacing }: ViewProps) => {
  const cache = useQueryClient();
  const { host, session, state } = useSession(environment, terminal);
  const { isScreenReader } = useTerminalSettings();
  const { room, size } = state;
  const isForeign = size !== null && room !== null && (size.cols !== room.cols || size.rows !== room.rows);
  useEffect(() => session?.setScreenReader(isScreenReader), [session, isScreenReader]);
  useEffect(() => {
    document.title = documentTitle(state.title, environment.name);
  }, [state.title, environment.name]);
  useEffect(() => {
    // The reason may be a session that is over, which is met by the sign-in page.
    if (state.phase === "ended") void cache.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }, [state.phase, cache]);
  return (
    <>
      <main className="relative min-h-0 flex-1 bg-terminal">
        <div className={`absolute inset-0 py-1 pl-2 ${isForeign ? "overflow-auto" : "overflow-hidden"}`}>
          {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms. */}
          <div
            ref={host}
            role="group"
            aria-label={`Terminal of ${environment.name}`}
            data-terminal={terminal.id}
            data-state="opening"
            data-foreign={isForeign}
            className="terminal-host h-full"
          />
        </div>
        {state.phase === "opening" && (
          <p role="status" className="pointer-events-none absolute top-2 left-3 text-muted">
            Connecting…
          </p>
        )}
        {state.hoveredLink !== null && <LinkTarget target={state.hoveredLink} />}
        {state.notice !== null && session && <NoticeBar notice={state.notice} onDismiss={session.dismissNotice} />}
        {state.phase === "reconnecting" && session && (
          <ReconnectCover retryAt={state.retryAt} onRetry={session.reconnectNow} />
        )}
      </main>
      {(state.phase === "exited" || state.phase === "ended") && (
        <EndBar state={state} busy={isReplacing} onNew={onReplace} />
      )}
      {session && <PastePreview text={state.pendingPaste} session={session} />}
      <StatusBar environment={environment}>
        <StatusItems state={state} isForeign={isForeign} />
      </StatusBar>
    </>
  );
};

/** The oldest live terminal, as `attach` of the command line takes it; else the newest that has ended. */
const defaultTerminal = (terminals: readonly Terminal[]): Terminal | undefined =>
  terminals.find((one) => one.exit === null) ?? terminals.at(-1);

const SIZE = { cols: 80, rows: 24 };

/** The terminals of a running environment: one, and tabs once there are more. */
export const TerminalPane = ({ environment }: { readonly environment: Environment }) => {
  const cache = useQueryClient();
  const key = ["terminals", environment.id];
  const query = useQuery({
    queryKey: key,
    queryFn: async () => {
      const terminals = await client.terminals.list(environment.id);
      return terminals.length > 0 ? terminals : [await client.terminals.create(environment.id, SIZE)];
    },
    staleTime: 0,
  });
  const [chosen, setChosen] = useState<string | null>(null);
  // What is looked at stays, whatever ends or comes meanwhile.
  const terminals = query.data ?? [];
  const current = terminals.find(({ id }) => id === chosen) ?? defaultTerminal(terminals);
  const currentId = current?.id ?? null;
  useEffect(() => setChosen(currentId), [currentId]);
  const replace = useMutation({
    mutationFn: async (ended: string) => {
      const made = await client.terminals.create(environment.id, SIZE);
      // It may be gone with its guest already.
      await client.terminals.remove(environment.id, ended).catch(() => undefined);
      return made;
    },
    onSuccess: (made, ended) => {
      cache.setQueryData<readonly Terminal[]>(key, (list) => [...(list ?? []).filter(({ id }) => id !== ended), made]);
      setChosen(made.id);
    },
  });
  return (
    <>
      {terminals.length > 1 && (
        <div
          role="tablist"
          aria-label="Terminals"
          className="flex h-9 shrink-0 items-end gap-1 border-b border-border bg-surface px-2"
        >
          {terminals.map((one, i) => (
            <button
              key={one.id}
              type="button"
              role="tab"
              aria-selected={one.id === currentId}
              onClick={() => setChosen(one.id)}
              className="h-8 rounded-t-md border border-b-0 border-transparent px-3 text-muted aria-selected:border-border aria-selected:bg-terminal aria-selected:text-text"
            >
              Terminal {i + 1}
            </button>
          ))}
        </div>
      )}
      {query.isError && <FailureNote error={query.error} className="m-4" />}
      {replace.isError && <FailureNote error={replace.error} className="m-4" />}
      {current ? (
        <TerminalView
          key={current.id}
          environment={environment}
          terminal={current}
          onReplace={() => replace.mutate(current.id)}
          isReplacing={replace.isPending}
        />
      ) : (
        <main className="flex-1 bg-terminal" />
      )}
    </>
  );
};
