import type { SharedTerminal } from "@microterm/protocol";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { Keyboard, LogOut } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { client } from "../api/queries.ts";
import { Frame } from "../entry/frame.tsx";
import { momentWords } from "../parts/account/people-words.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Question } from "../parts/form/question.tsx";
import { Logo, ThemeButton } from "../parts/header.tsx";
import { Plain } from "../parts/plain.tsx";
import { sentence } from "../parts/words.ts";
import { PeopleMenu } from "../sharing/people-menu.tsx";
import { sharedQuery } from "../sharing/received/shared-query.ts";
import { useSharedSession } from "../sharing/received/use-shared-session.ts";
import { useSignedIn } from "../sharing/received/use-signed-in.ts";
import { WayBack } from "../sharing/received/way-back.tsx";
import { PastePreview } from "../terminal/pane/covers.tsx";
import { Screen } from "../terminal/pane/screen.tsx";
import { StatusItems } from "../terminal/pane/status-items.tsx";
import { useSessionState } from "../terminal/pane/tab-bar.tsx";
import { useSearch } from "../terminal/search/use-search.ts";
import type { Session } from "../terminal/session/session.ts";
import type { SessionState } from "../terminal/session/session-state.ts";
import { documentTitle } from "../terminal/session/title.ts";

/** Where to go from a page that somebody without an account may be on. */
const Ways = ({ isSignedIn }: { readonly isSignedIn: boolean }) => (
  <a href={isSignedIn ? "/" : "/sign-in"} className="mt-4 inline-block text-accent underline underline-offset-2">
    {isSignedIn ? "All environments" : "Sign in"}
  </a>
);

const LeaveButton = ({ of: { id, owner, kind } }: { readonly of: SharedTerminal }) => {
  const [isAsked, setAsked] = useState(false);
  const [isLeft, setLeft] = useState(false);
  const leave = useMutation({ mutationFn: () => client.sharing.leave(id), onSuccess: () => setLeft(true) });
  const signedIn = useSignedIn();
  useEffect(() => {
    // A new page, so that nothing of the terminal stays in memory.
    if (isLeft) location.assign(kind === "look-in" ? "/admin/environments" : signedIn ? "/" : "/shared/left");
  }, [isLeft, signedIn, kind]);
  return (
    <>
      <Button look="quiet" onClick={() => setAsked(true)}>
        <LogOut aria-hidden className="size-4" />
        <span className="max-sm:sr-only">Leave</span>
      </Button>
      <Question
        title="Leave this terminal?"
        isOpen={isAsked}
        no="Stay"
        yes="Leave"
        busy={leave.isPending || isLeft ? "Leaving…" : null}
        error={leave.error}
        onNo={() => setAsked(false)}
        onYes={() => leave.mutate()}
      >
        <WayBack {...{ kind, owner }} />
        <p>Closing this tab alone lets you come back by its address.</p>
      </Question>
    </>
  );
};

/** Asks for the keyboard, takes that back, or gives it back. An admin who looks in has no part in it. */
const KeyboardButton = ({ session, state, grant }: { session: Session; state: SessionState; grant: string }) => {
  const isAsking = state.presence?.people.find((person) => person.grant === grant)?.isAsking === true;
  const [label, isWanted] = !state.isViewer
    ? ["Give the keyboard back", false]
    : isAsking
      ? ["Do not ask any more", false]
      : ["Ask for the keyboard", true];
  return (
    <>
      <span role="status" className="truncate text-muted max-sm:sr-only">
        {isAsking && "You have asked for the keyboard"}
      </span>
      <Button
        look={isWanted ? "plain" : "quiet"}
        aria-disabled={state.phase !== "live" || undefined}
        onClick={() => session.askKeyboard(isWanted)}
      >
        <Keyboard aria-hidden className="size-4" />
        <span className="max-sm:sr-only">{label}</span>
      </Button>
    </>
  );
};

interface EndProps {
  readonly title: string;
  readonly children: ReactNode;
}

/** Over what was drawn last, which is not to be seen any more. */
const End = ({ title, children }: EndProps) => (
  <div className="absolute inset-0 grid place-items-center bg-bg p-6" data-shared-end>
    <section className="max-w-md text-center">
      <div role="status">
        <h2 className="text-[15px]">{title}</h2>
      </div>
      {children}
    </section>
  </div>
);

const Pane = ({ shared, isSignedIn }: { readonly shared: SharedTerminal; readonly isSignedIn: boolean }) => {
  const { id, owner, kind, expiresAt } = shared;
  const find = useRef(() => {});
  const session = useSharedSession(id, owner, find);
  const search = useSearch(session);
  find.current = search.open;
  const state = useSessionState(session);
  const isOver = state.phase === "exited" || state.phase === "ended" || state.phase === "signed-out";
  useEffect(() => {
    // What runs in it is another's, and names nothing here.
    document.title = documentTitle("", `${owner}'s terminal`);
  }, [owner]);
  return (
    <div className="flex h-full flex-col" data-shared-terminal={id}>
      <header className="flex h-11 shrink-0 items-center gap-3 border-b border-border bg-surface px-3 max-sm:gap-1.5 max-sm:px-2">
        <Logo isShort />
        <h1 className="min-w-0 truncate font-medium">
          <span className="text-muted">{kind === "look-in" ? "Looking into " : "Viewing "}</span>
          <Plain text={owner} />
          's terminal
        </h1>
        <div data-no-stray-click className="ml-auto flex shrink-0 items-center gap-1.5 max-sm:gap-0">
          {session && !isOver && (
            <>
              {state.presence && <PeopleMenu presence={state.presence} self={id} />}
              {kind !== "look-in" && <KeyboardButton session={session} state={state} grant={id} />}
              <LeaveButton of={shared} />
            </>
          )}
          <ThemeButton />
        </div>
      </header>
      <main className="relative min-h-0 flex-1 bg-terminal">
        {session && (
          <Screen session={session} state={state} isCovered={isOver} takesFocus={() => true} search={search} />
        )}
        {state.phase === "exited" && (
          <End title="Its program has ended">
            <Ways isSignedIn={isSignedIn} />
          </End>
        )}
        {(state.phase === "ended" || state.phase === "signed-out") && (
          <End title={sentence(state.endReason ?? "This terminal is not shared with you any more")}>
            <p className="mt-1 text-muted">
              <Plain text={owner} /> may have ended it, or its time is over. Ask for another link.
            </p>
            <Ways isSignedIn={isSignedIn} />
          </End>
        )}
      </main>
      {session && <PastePreview text={state.pendingPaste} session={session} />}
      <footer className="flex h-6 shrink-0 items-center gap-4 overflow-hidden border-t border-border bg-surface px-3 text-xs whitespace-nowrap text-muted max-sm:gap-2 max-sm:px-2">
        <span className={state.isViewer ? "" : "text-text"}>
          {state.phase === "live" ? (state.isViewer ? "You look on" : "You may type") : "Not connected"}
        </span>
        {!isOver && (
          <span className="truncate max-sm:hidden">
            {kind === "look-in" ? "Until" : "Shared until"} {momentWords(expiresAt)}
          </span>
        )}
        <span className="ml-auto flex shrink-0 items-center gap-4 max-sm:gap-2">
          <StatusItems state={state} />
        </span>
      </footer>
    </div>
  );
};

/** Another's terminal, as it is shared with who is signed in, or with this browser. */
export const SharedTerminalPage = () => {
  const { grant } = useParams({ from: "/shared/$grant" });
  const signedIn = useSignedIn();
  const terminals = useQuery({ ...sharedQuery, refetchInterval: false });
  const found = terminals.data?.find(({ id }) => id === grant);
  // What it was stays on the page when it is over, with the reason.
  const [shared, setShared] = useState(found);
  useEffect(() => {
    if (found !== undefined) setShared(found);
  }, [found]);
  if (shared?.id === grant) return <Pane key={grant} shared={shared} isSignedIn={Boolean(signedIn)} />;
  if (terminals.isError) {
    return (
      <Frame title="A shared terminal">
        <FailureNote error={terminals.error} className="mt-4" />
      </Frame>
    );
  }
  if (terminals.isPending || found !== undefined) {
    return (
      <Frame title="A shared terminal">
        <p role="status" className="late mt-4 text-muted">
          {terminals.failureCount > 0 ? "The microterm server does not answer. Trying again…" : "Looking for it…"}
        </p>
      </Frame>
    );
  }
  return (
    <Frame title={grant === "left" ? "You have left the terminal" : "This terminal is not shared with you"}>
      <p className="mt-1 text-muted">
        {grant === "left"
          ? "To see it again, open a link to it."
          : "It may not be shared any more, or with another account or browser. Ask for another link."}
      </p>
      <Ways isSignedIn={Boolean(signedIn)} />
    </Frame>
  );
};
