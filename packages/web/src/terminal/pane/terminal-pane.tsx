import type { Environment, Terminal } from "@microterm/protocol";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { actsQuery } from "../../admin-acts/acts-query.ts";
import { retryLiveEvents } from "../../api/live-events.ts";
import { client } from "../../api/queries.ts";
import { checkSession, useIsSignedOut } from "../../api/signed-out.ts";
import { showOverlay, useCommand, usePlaces } from "../../commands/commands.ts";
import { lazyPart } from "../../parts/lazy-part.ts";
import { StatusBar } from "../../parts/state/status-bar.tsx";
import { PortsMenu } from "../../ports/ports-menu.tsx";
import { RecordingTools } from "../../recording/recordings.tsx";
import { RENDERER } from "../../renderer.ts";
import { ShareButton } from "../../sharing/owner/share-button.tsx";
import { UploadPanel } from "../../upload/upload-panel.tsx";
import type { PageKey } from "../keys.ts";
import { useSearch } from "../search/use-search.ts";
import { INITIAL_STATE } from "../session/session-state.ts";
import { createSessions, type Sessions } from "../session/sessions.ts";
import { documentTitle } from "../session/title.ts";
import { changeTerminalSettings, IS_MAC, terminalSettings } from "../settings.ts";
import { CloseDialog } from "./close-dialog.tsx";
import { EndBar, FailureBar, PastePreview } from "./covers.tsx";
import { Screen } from "./screen.tsx";
import { StatusItems } from "./status-items.tsx";
import { TabBar, tabName, useSessionState } from "./tab-bar.tsx";
import { isAttachable, useTerminals } from "./use-terminals.ts";

const AskBar = lazyPart(async () => (await import("../../sharing/owner/ask-bar.tsx")).AskBar);
const Attendance = lazyPart(async () => (await import("../../sharing/owner/attendance.tsx")).Attendance);
const LookIns = lazyPart(async () => (await import("../../admin-acts/look-ins.tsx")).LookIns);
const DenialChip = lazyPart(async () => (await import("../../network/denial-chip.tsx")).DenialChip);

const useSessions = (
  environment: Environment,
  terminals: readonly Terminal[],
  onPageKey: (key: PageKey) => void,
): Sessions | null => {
  const { id, name } = environment;
  const handler = useRef(onPageKey);
  handler.current = onPageKey;
  // A new object after each change, so that what it has is drawn.
  const [known, setKnown] = useState<{ readonly sessions: Sessions } | null>(null);
  const sessions = known?.sessions ?? null;
  useEffect(() => {
    const keys = () => ({ isTabFree: terminalSettings().isTabFree, isMac: IS_MAC });
    const shared = { client, environment: id, renderer: RENDERER, keys };
    const made = createSessions({ ...shared, onPageKey: (key) => handler.current(key) }, name);
    setKnown({ sessions: made });
    return () => {
      made.dispose();
      setKnown(null);
    };
  }, [id, name]);
  useEffect(() => {
    if (sessions === null) return;
    sessions.sync(terminals);
    setKnown({ sessions });
  }, [sessions, terminals]);
  const isThere = isAttachable(environment);
  const isOut = useIsSignedOut();
  useEffect(() => {
    if (isThere && !isOut) sessions?.attachAll();
  }, [isThere, isOut, sessions]);
  return sessions;
};

/** Asks before a tab is closed in which something may run. */
const useClosing = (close: (terminal: string) => void, sessions: Sessions | null) => {
  const [asked, setAsked] = useState<{ readonly id: string; readonly name: string; readonly isBusy: boolean } | null>(
    null,
  );
  const request = (id: string): void => {
    const state = sessions?.of(id)?.get();
    const isOver = state?.phase === "exited" || state?.phase === "ended";
    if (isOver || state?.isBusy === false) close(id);
    else setAsked({ id, name: state?.title || "this terminal", isBusy: state?.isBusy === true });
  };
  const decide = (isWanted: boolean): void => {
    if (isWanted && asked) close(asked.id);
    setAsked(null);
  };
  return { asked, request, decide };
};

const toggleTab = (): void => changeTerminalSettings({ isTabFree: !terminalSettings().isTabFree });

export interface TerminalPaneProps {
  readonly environment: Environment;
  /** What hides the terminals while the environment rests or wakes up. */
  readonly cover?: ReactNode;
}

/** The terminals of an environment, one a tab. */
export const TerminalPane = ({ environment, cover = null }: TerminalPaneProps) => {
  const cache = useQueryClient();
  const { query, terminals, current, choose, add, remove, replace } = useTerminals(environment);
  const currentId = current?.id ?? null;
  const place = terminals.findIndex(({ id }) => id === currentId);
  const step = (by: number): void => {
    const next = terminals[(place + by + terminals.length) % terminals.length];
    if (next) choose(next.id);
  };
  const sessions = useSessions(environment, terminals, (key) => {
    if (key === "toggle-tab") toggleTab();
    else if (key === "palette") showOverlay("palette");
    else if (key === "new-terminal") add.mutate();
    else if (key === "find") search.open();
    else step(key === "next-terminal" ? 1 : -1);
  });
  /** The tab that arrow keys have come to: the focus stays on it. */
  const walking = useRef<string | null>(null);
  const takesFocus = (): boolean => {
    const isWalked = walking.current === currentId;
    walking.current = null;
    return !isWalked;
  };
  const session = currentId === null ? null : (sessions?.of(currentId) ?? null);
  const state = useSessionState(session);
  const search = useSearch(session);
  const closing = useClosing(remove.mutate, sessions);
  const hasSession = session !== null;
  useCommand("terminal.new", add.isPending || !isAttachable(environment) ? null : () => add.mutate());
  useCommand("terminal.close", currentId === null ? null : () => closing.request(currentId));
  useCommand("terminal.next", terminals.length < 2 ? null : () => step(1));
  useCommand("terminal.previous", terminals.length < 2 ? null : () => step(-1));
  useCommand("terminal.find", hasSession ? search.open : null);
  useCommand("terminal.previous-prompt", hasSession ? () => session.jump(-1) : null);
  useCommand("terminal.next-prompt", hasSession ? () => session.jump(1) : null);
  useCommand("terminal.toggle-tab", toggleTab);
  usePlaces(() =>
    terminals.map(({ id }, i) => ({
      ...{ id: `terminal:${id}`, name: tabName(sessions?.of(id)?.get() ?? INITIAL_STATE, i + 1), group: "Terminals" },
      run: () => (id === currentId ? session?.focus() : choose(id)),
    })),
  );
  const isOver = state.phase === "exited" || state.phase === "ended";
  const isThere = isAttachable(environment);
  const acts = useQuery(actsQuery);
  const seen = acts.data?.filter((act) => act.environment === environment.id) ?? [];
  const failed = [add, remove, replace].find(({ isError }) => isError);

  useEffect(() => {
    document.title = documentTitle(state.title, environment.name);
  }, [state.title, environment.name]);
  useEffect(() => {
    // An account that is signed in by another session meanwhile goes on by that.
    if (state.phase === "signed-out" || state.phase === "ended")
      void checkSession(cache).then((isSignedIn) => isSignedIn && session?.reconnectNow());
    if (isOver) void cache.invalidateQueries({ queryKey: ["terminals", environment.id] });
    if (state.phase === "live") retryLiveEvents();
  }, [state.phase, isOver, session, cache, environment.id]);

  return (
    <>
      <main className="flex min-h-0 flex-1 flex-col">
        <TabBar
          terminals={terminals}
          currentId={currentId}
          sessionOf={(terminal) => sessions?.of(terminal) ?? null}
          onChoose={(id, isWalking) => {
            walking.current = isWalking ? id : null;
            if (id !== currentId) choose(id);
            else if (!isWalking) session?.focus();
          }}
          onClose={closing.request}
          onNew={() => add.mutate()}
          isAdding={add.isPending || !isThere}
        >
          {isThere && state.presence?.people.some(({ grant }) => grant !== null) && (
            <Suspense>
              <Attendance environment={environment.id} presence={state.presence} />
            </Suspense>
          )}
          {seen.length > 0 && (
            <Suspense>
              <LookIns acts={seen} />
            </Suspense>
          )}
          {isThere && environment.network !== null && (
            <Suspense>
              <DenialChip key={environment.id} id={environment.id} policy={environment.network} />
            </Suspense>
          )}
          {isThere && <PortsMenu key={environment.id} environment={environment} />}
          {currentId !== null && isThere && (
            <ShareButton
              key={`share-${currentId}`}
              environment={environment.id}
              terminal={currentId}
              name={tabName(state, place + 1)}
            />
          )}
          {currentId !== null && isThere && (
            <RecordingTools
              key={currentId}
              environment={environment.id}
              terminal={currentId}
              name={`${tabName(state, place + 1)} · ${environment.name}`}
            />
          )}
        </TabBar>
        <div className="relative min-h-0 flex-1 bg-terminal">
          <div role="tabpanel" id="terminal-panel" aria-labelledby={`tab-${currentId}`} className="contents">
            {session && (
              <Screen
                key={currentId}
                session={session}
                state={state}
                isCovered={cover !== null}
                takesFocus={takesFocus}
                search={search}
              />
            )}
          </div>
          {cover}
          {isThere && state.presence?.people.some(({ isAsking }) => isAsking) && (
            <Suspense>
              <AskBar environment={environment.id} presence={state.presence} />
            </Suspense>
          )}
          {isThere && <UploadPanel environment={environment.id} folder={state.cwd} />}
          {isThere && query.isError && !query.isFetching && (
            <FailureBar error={query.error} action="Retry" onAction={() => void query.refetch()} />
          )}
          {isThere && failed && <FailureBar error={failed.error} action="Dismiss" onAction={() => failed.reset()} />}
        </div>
        {isOver && isThere && currentId !== null && (
          <EndBar
            state={state}
            busy={replace.isPending}
            onNew={() => replace.mutate(currentId)}
            onClose={terminals.length > 1 ? () => remove.mutate(currentId) : null}
          />
        )}
      </main>
      {session && <PastePreview text={state.pendingPaste} session={session} />}
      <CloseDialog
        name={closing.asked?.name ?? null}
        isBusy={closing.asked?.isBusy === true}
        onDecide={(isWanted) => {
          closing.decide(isWanted);
          session?.focus();
        }}
      />
      <StatusBar environment={environment}>
        <StatusItems state={state} />
      </StatusBar>
    </>
  );
};
