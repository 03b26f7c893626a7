import { Suspense, useEffect, useLayoutEffect, useRef } from "react";
import { lazyPart } from "../../parts/lazy-part.ts";
import type { SearchState } from "../search/use-search.ts";
import type { Session } from "../session/session.ts";
import type { SessionState } from "../session/session-state.ts";
import { useTerminalSettings } from "../settings.ts";
import { CopyConsent } from "./copy-consent.tsx";
import { LinkTarget, NoticeBar, ReconnectCover } from "./covers.tsx";

const SearchBar = lazyPart(async () => (await import("../search/search-bar.tsx")).SearchBar);

export interface ScreenProps {
  readonly session: Session;
  readonly state: SessionState;
  readonly isCovered: boolean;
  /** False while arrow keys walk through the tabs. */
  readonly takesFocus: () => boolean;
  readonly search: SearchState;
}

/** The terminal that is looked at, with what lies over it. */
export const Screen = ({ session, state, isCovered, takesFocus, search }: ScreenProps) => {
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
      {search.asked > 0 && !isCovered && (
        <Suspense>
          <SearchBar session={session} asked={search.asked} onClose={search.close} />
        </Suspense>
      )}
      {state.pendingCopy !== null && <CopyConsent text={state.pendingCopy} onDecide={session.decideCopy} />}
      {notice !== null && <NoticeBar notice={notice} onDismiss={session.dismissNotice} />}
      {phase === "reconnecting" && !isCovered && (
        <ReconnectCover retryAt={state.retryAt} onRetry={session.reconnectNow} />
      )}
    </>
  );
};
