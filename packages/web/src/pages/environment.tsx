import type { Environment } from "@microterm/protocol";
import { RequestError } from "@microterm/sdk";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { client, environmentsQuery } from "../api/queries.ts";
import { useHasEnvironments } from "../parts/account/use-account.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Header } from "../parts/header.tsx";
import { useDestroyDialog } from "../parts/power/destroy-dialog.tsx";
import { RunningActions } from "../parts/power/power.tsx";
import { NoticeBanner } from "../parts/state/notice-banner.tsx";
import { PausedCard, PausedCover, Resting } from "../parts/state/resting.tsx";
import { StartProgress } from "../parts/state/start-progress.tsx";
import { StatusBar } from "../parts/state/status-bar.tsx";
import { removalWords } from "../parts/words.ts";
import { loadTerminal, preloadTerminal } from "../terminal/preload.ts";
import { documentTitle } from "../terminal/session/title.ts";

const TerminalPane = lazy(async () => ({ default: (await loadTerminal()).TerminalPane }));

const HeaderActions = ({ environment }: { readonly environment: Environment }) => {
  const navigate = useNavigate();
  const destroy = useDestroyDialog();
  return (
    <>
      {environment.state === "running" && <RunningActions environment={environment} />}
      <Button
        look="quiet"
        command="environment.remove"
        needsServer
        disabled={environment.state === "destroying"}
        onClick={() => destroy(environment, () => void navigate({ to: "/" }))}
      >
        <Trash2 aria-hidden className="size-4" />
        <span className="max-sm:sr-only">Remove</span>
      </Button>
    </>
  );
};

const Note = ({ children }: { readonly children: string }) => (
  <p role="status" className="m-auto text-muted">
    {children}
  </p>
);

/** Of an environment that is not in the list: the server knows for a week when and why it went. */
const Gone = ({ id }: { readonly id: string }) => {
  const asked = useQuery({ queryKey: ["gone", id], queryFn: () => client.environments.get(id), retry: false });
  const removal = asked.error instanceof RequestError ? asked.error.details.removal : undefined;
  return (
    <section className="m-auto text-center" data-gone={removal?.cause}>
      <h1 className="text-[15px]">
        {removal === undefined ? "There is no such environment" : `${removal.name} is not there any more`}
      </h1>
      <p className="mt-1 text-muted">
        {removal === undefined
          ? "It may have been removed some time ago, or given to another account."
          : removalWords(removal)}
      </p>
      <Link to="/" className="mt-4 inline-block text-accent underline underline-offset-2">
        All environments
      </Link>
    </section>
  );
};

const Body = ({ environment }: { readonly environment: Environment }) => {
  switch (environment.state) {
    case "creating":
      return <StartProgress key={environment.id} environment={environment} />;
    case "destroying":
      return (
        <Note>
          {environment.operation === "expire"
            ? "Its time to live is over: removing it, with everything it holds…"
            : "Removing it, with everything it holds…"}
        </Note>
      );
    case "running":
      return null;
    case "paused":
      return <PausedCard environment={environment} />;
    default:
      return <Resting environment={environment} />;
  }
};

/**
 * Are the terminals drawn? Those of a running environment are; while it is paused, and on its way back from there, those that this page
 * has drawn stay behind the cover, so that they go on at their next byte.
 */
const useHasTerminals = (environment: Environment | undefined): boolean => {
  const [drawn, setDrawn] = useState<string | null>(null);
  const { id = null, state = null } = environment ?? {};
  useEffect(() => {
    if (state === "running") setDrawn(id);
    else if (state !== "paused" && state !== "creating") setDrawn(null);
  }, [id, state]);
  return state === "running" || (id !== null && drawn === id && (state === "paused" || state === "creating"));
};

export const EnvironmentPage = () => {
  const { id } = useParams({ from: "/signed-in/e/$id" });
  const list = useQuery(environmentsQuery);
  const environment = list.data?.find((one) => one.id === id) ?? list.data?.find((one) => one.name === id);
  const hasTerminals = useHasTerminals(environment);
  const mayChange = useHasEnvironments();
  const isRunning = environment?.state === "running";
  const name = environment?.name;
  useEffect(preloadTerminal, []);
  useEffect(() => {
    if (!isRunning) document.title = name === undefined ? "microterm" : documentTitle("", name);
  }, [isRunning, name]);
  return (
    <div
      className="relative flex h-full flex-col"
      data-environment={environment?.id}
      data-environment-state={environment?.state}
    >
      <Header
        actions={environment && mayChange && <HeaderActions environment={environment} />}
        notice={
          environment?.notice &&
          (isRunning || environment.notice.code === "expiry") && (
            <NoticeBanner environment={environment} notice={environment.notice} />
          )
        }
      >
        {environment && (
          <>
            <span aria-hidden className="text-border">
              /
            </span>
            {/* What does not run has a card with a heading. */}
            {hasTerminals || environment.state === "destroying" ? (
              <h1 className="truncate font-medium">{environment.name}</h1>
            ) : (
              <span className="truncate font-medium">{environment.name}</span>
            )}
          </>
        )}
      </Header>
      {environment && hasTerminals ? (
        <Suspense
          fallback={
            <main className="flex min-h-0 flex-1 flex-col">
              <Note>Loading the terminal…</Note>
            </main>
          }
        >
          <TerminalPane
            key={environment.id}
            environment={environment}
            cover={isRunning ? null : <PausedCover environment={environment} />}
          />
        </Suspense>
      ) : (
        <>
          <main className="flex min-h-0 flex-1 flex-col overflow-auto">
            {environment && <Body environment={environment} />}
            {list.isPending && <Note>Loading…</Note>}
            {list.isError && <FailureNote error={list.error} className="m-4" />}
            {list.data && !environment && <Gone id={id} />}
          </main>
          {environment && <StatusBar environment={environment} />}
        </>
      )}
    </div>
  );
};
