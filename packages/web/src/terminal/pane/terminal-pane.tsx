import type { Environment, Terminal } from "@microterm/protocol";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import { retryLiveEvents } from "../../api/live-events.ts";
import { client, sessionQuery } from "../../api/queries.ts";
import { StatusBar } from "../../parts/state/status-bar.tsx";
import { PortsMenu } from "../../ports/ports-menu.tsx";
import { RecordingTools } from "../../recording/recordings.tsx";
import { RENDERER } from "../../renderer.ts";
import { UploadPanel } from "../../upload/upload-panel.tsx";
import type { PageKey } from "../keys.ts";
import type { Session } from "../session/session.ts";
import type { SessionState } from "../session/session-state.ts";
import { createSessions, type Sessions } from "../session/sessions.ts";
import { documentTitle } from "../session/title.ts";
import { changeTerminalSettings, IS_MAC, terminalSettings, useTerminalSettings } from "../settings.ts";
import { CloseDialog } from "./close-dialog.tsx";
import { CopyConsent } from "./copy-consent.tsx";
import { EndBar, FailureBar, LinkTarget, NoticeBar, PastePreview, ReconnectCover } from "./covers.tsx";
import { StatusItems } from "./status-items.tsx";
import { TabBar, tabName, useSessionState } from "./tab-bar.tsx";
import { isAttachable, useTerminals } from "./use-terminals.ts";

const DenialChip = lazy(async () => ({ default: (await import("../../network/denial-chip.tsx")).DenialChip }));

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
  useEffect(() => {
    if (isThere) sessions?.attachAll();
  }, [isThere, sessions]);
  return sessions;
};

interface ScreenProps {
  readonly session: Session;
  readonly state: SessionState;
  readonly isCovered: boolean;
  /** False while arrow keys walk through the tabs. */
  readonly takesFocus: () => boolean;
}

/** The terminal that is looked at, with what lies over it. */
const Screen = ({ session, state, isCovered, takesFocus }: ScreenProps) => {
  const place = useRef<HTMLDivElement>(null);
  const { isScreenReader, isOptionMeta } = useTerminalSettings();
  const isFirst = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked once, when it is shown.
  useLayoutEffect(() => {
    if (place.current === null) return;
    session.show(place.current, takesFocus());
    return () => session.hide();
  }, [session]);
  useEffect(() => session.setScreenReader(isScreenReader), [session, isScreenReader]);
  useEffect(() => session.setOptionMeta(isOptionMeta), [session, isOptionMeta]);
  useEffect(() => {
    if (!isCovered && !isFirst.current) session.focus();
    isFirst.current = false;
  }, [session, isCovered]);
  const { notice, hoveredLink, phase } = state;
  return (
    <>
      <div ref={place} inert={isCovered} className="absolute inset-0" />
      {phase === "opening" && (
        <p role="status" className="late pointer-events-none absolute top-2 left-3 text-muted">
          Connecting…
        </p>
      )}
      {state.keptRows !== null && (
        <p
          role="status"
          className="pointer-events-none absolute inset-x-0 top-0 bg-surface px-3 py-1 text-center text-muted"
        >
          Older output is gone: the last {state.keptRows.toLocaleString("en")} rows are kept.
        </p>
      )}
      {hoveredLink !== null && <LinkTarget target={hoveredLink} />}
      {state.pendingCopy !== null && <CopyConsent text={state.pendingCopy} onDecide={session.decideCopy} />}
      {notice !== null && <NoticeBar notice={notice} onDismiss={session.dismissNotice} />}
      {phase === "reconnecting" && !isCovered && (
        <ReconnectCover retryAt={state.retryAt} onRetry={session.reconnectNow} />
      )}
    </>
  );
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
    if (key === "toggle-tab") changeTerminalSettings({ isTabFree: !terminalSettings().isTabFree });
    else if (key === "new-terminal") add.mutate();
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
  const closing = useClosing(remove.mutate, sessions);
  const isOver = state.phase === "exited" || state.phase === "ended";
  const isThere = isAttachable(environment);
  const failed = [add, remove, replace].find(({ isError }) => isError);

  useEffect(() => {
    document.title = documentTitle(state.title, environment.name);
  }, [state.title, environment.name]);
  useEffect(() => {
    // The reason may be a session that is over, which is met by the sign-in page.
    if (state.phase === "ended") void cache.invalidateQueries({ queryKey: sessionQuery.queryKey });
    if (isOver) void cache.invalidateQueries({ queryKey: ["terminals", environment.id] });
    if (state.phase === "live") retryLiveEvents();
  }, [state.phase, isOver, cache, environment.id]);

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
          {isThere && environment.network !== null && (
            <Suspense>
              <DenialChip key={environment.id} id={environment.id} policy={environment.network} />
            </Suspense>
          )}
          {isThere && <PortsMenu key={environment.id} environment={environment} />}
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
              />
            )}
          </div>
          {cover}
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
