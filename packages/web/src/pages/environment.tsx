import type { Environment } from "@microterm/protocol";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { Play, Square, Trash2 } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { client, environmentsQuery } from "../api/queries.ts";
import { BootSteps } from "../parts/boot-steps.tsx";
import { Button } from "../parts/button.tsx";
import { useDestroyDialog } from "../parts/destroy-dialog.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Header } from "../parts/header.tsx";
import { Logs } from "../parts/logs.tsx";
import { StatusBar } from "../parts/status-bar.tsx";
import { sentence } from "../parts/words.ts";
import { loadTerminal, preloadTerminal } from "../terminal/preload.ts";
import { documentTitle } from "../terminal/title.ts";

const TerminalPane = lazy(async () => ({ default: (await loadTerminal()).TerminalPane }));

const useStart = (id: string) => useMutation({ mutationFn: () => client.environments.start(id) });

const HeaderActions = ({ environment }: { readonly environment: Environment }) => {
  const navigate = useNavigate();
  const destroy = useDestroyDialog();
  const stop = useMutation({ mutationFn: () => client.environments.stop(environment.id) });
  const isStopping = stop.isPending || environment.reason === "stopping";
  return (
    <>
      {stop.isError && (
        <span role="alert" className="text-danger">
          {stop.error.message}
        </span>
      )}
      {environment.state === "running" && (
        <Button look="quiet" busy={isStopping ? "Stopping…" : null} onClick={() => stop.mutate()}>
          <Square aria-hidden className="size-3.5" />
          Stop
        </Button>
      )}
      <Button
        look="quiet"
        disabled={environment.state === "destroying"}
        onClick={() => destroy(environment, () => void navigate({ to: "/" }))}
      >
        <Trash2 aria-hidden className="size-4" />
        Remove
      </Button>
    </>
  );
};

const Resting = ({ environment }: { readonly environment: Environment }) => {
  const start = useStart(environment.id);
  const hasFailed = environment.state === "failed";
  return (
    <section className="m-auto flex max-h-full w-[min(720px,100%)] flex-col p-6">
      <h1 className="text-[15px]">
        {hasFailed ? `${environment.name} has failed` : `${environment.name} is ${environment.state}`}
      </h1>
      {environment.reason && (
        <p className={`mt-1 ${hasFailed ? "text-danger" : "text-muted"}`}>{sentence(environment.reason)}</p>
      )}
      <p className="mt-1 text-muted">Its disk is kept: starting it brings back the files, with a new terminal.</p>
      {start.isError && <FailureNote error={start.error} className="mt-3" />}
      <div className="mt-4">
        <Button look="primary" busy={start.isPending ? "Starting…" : null} onClick={() => start.mutate()} autoFocus>
          <Play aria-hidden className="size-4" />
          {hasFailed ? "Start again" : "Start"}
        </Button>
      </div>
      {hasFailed && <Logs environment={environment.id} />}
    </section>
  );
};

const Note = ({ children }: { readonly children: string }) => (
  <p role="status" className="m-auto text-muted">
    {children}
  </p>
);

const Gone = () => (
  <section className="m-auto text-center">
    <h1 className="text-[15px]">There is no such environment</h1>
    <p className="mt-1 text-muted">It may have been removed.</p>
    <Link to="/" className="mt-4 inline-block text-accent underline underline-offset-2">
      All environments
    </Link>
  </section>
);

const Body = ({ environment }: { readonly environment: Environment }) => {
  switch (environment.state) {
    case "creating":
      return <BootSteps environment={environment} />;
    case "destroying":
      return <Note>Removing it, with everything it holds…</Note>;
    case "running":
      return null;
    default:
      return <Resting environment={environment} />;
  }
};

export const EnvironmentPage = () => {
  const { id } = useParams({ from: "/signed-in/e/$id" });
  const list = useQuery(environmentsQuery);
  const environment = list.data?.find((one) => one.id === id) ?? list.data?.find((one) => one.name === id);
  const isRunning = environment?.state === "running";
  const name = environment?.name;
  useEffect(preloadTerminal, []);
  useEffect(() => {
    if (!isRunning) document.title = name === undefined ? "microterm" : documentTitle("", name);
  }, [isRunning, name]);
  return (
    <div
      className="flex h-full flex-col"
      data-environment={environment?.id}
      data-environment-state={environment?.state}
    >
      <Header actions={environment && <HeaderActions environment={environment} />}>
        {environment && (
          <>
            <span aria-hidden className="text-border">
              /
            </span>
            <span className="truncate font-medium">{environment.name}</span>
          </>
        )}
      </Header>
      {environment && isRunning ? (
        <Suspense fallback={<Note>Loading the terminal…</Note>}>
          <TerminalPane key={environment.id} environment={environment} />
        </Suspense>
      ) : (
        <>
          <main className="flex min-h-0 flex-1 flex-col overflow-auto">
            {environment && <Body environment={environment} />}
            {list.isPending && <Note>Loading…</Note>}
            {list.isError && <FailureNote error={list.error} className="m-4" />}
            {list.data && !environment && <Gone />}
          </main>
          {environment && <StatusBar environment={environment} />}
        </>
      )}
    </div>
  );
};
