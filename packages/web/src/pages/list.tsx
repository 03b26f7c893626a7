import type { Environment, HostStatus, Notice } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Bell, Pause, Play, Square, Trash2 } from "lucide-react";
import { Suspense, useEffect } from "react";
import { environmentsQuery, hostQuery } from "../api/queries.ts";
import { networkWords, unenforcedWords } from "../network/policy-words.ts";
import { useHasEnvironments } from "../parts/account/use-account.ts";
import { Button } from "../parts/button.tsx";
import { CreateButton } from "../parts/create-button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { Header } from "../parts/header.tsx";
import { lazyPart } from "../parts/lazy-part.ts";
import { useDestroyDialog } from "../parts/power/destroy-dialog.tsx";
import { useStop } from "../parts/power/stop-dialog.tsx";
import { useCanPause, usePower } from "../parts/power/use-power.ts";
import { IsolationLabel } from "../parts/state/isolation.tsx";
import { Status } from "../parts/state/status.tsx";
import { useNow } from "../parts/use-now.ts";
import { agoWords, expiryWords, isolationWords, noticeWords, readinessWords, sizeWords } from "../parts/words.ts";
import { preloadTerminal } from "../terminal/preload.ts";

const HandedOver = lazyPart(async () => (await import("../admin-acts/handed-over.tsx")).HandedOver);
const SharedWithMe = lazyPart(async () => (await import("../sharing/received/shared-with-me.tsx")).SharedWithMe);

/** Of who has no environments by role. */
const EmptyForVisitor = () => (
  <div className="mx-auto mt-[8vh] max-w-md p-6 text-center">
    <h1 className="text-[15px]">No environments of your own</h1>
    <p className="mt-1 text-muted">
      Your account is a visitor: it sees what others share with it, and creates nothing.
    </p>
  </div>
);

const Empty = () => (
  <div className="mx-auto mt-[8vh] max-w-md p-6 text-center">
    <h1 className="text-[15px]">No environments yet</h1>
    <p className="mt-1 text-muted">
      An environment is a Linux of your own with a terminal: it keeps running when you close this page.
    </p>
    <div className="mt-5 flex justify-center">
      <CreateButton />
    </div>
    <p className="mt-5 text-muted">
      or on the server's own host{" "}
      <code className="ml-1 rounded-md border border-border bg-surface px-2 py-1 font-mono text-text select-all">
        ./microterm create
      </code>
    </p>
  </div>
);

const Actions = ({ environment }: { readonly environment: Environment }) => {
  const destroy = useDestroyDialog();
  const { start, stop, pause, resume } = usePower(environment.id);
  const canPause = useCanPause();
  const ask = useStop();
  const { name, state } = environment;
  const isResting = state === "stopped" || state === "failed";
  const askToStop = (): void => ask({ environment, stop: () => stop.mutate(), pause: () => pause.mutate() });
  const actions = [
    { label: `Start ${name}`, icon: Play, act: start.mutate, isOffered: isResting },
    { label: `Resume ${name}`, icon: Play, act: resume.mutate, isOffered: state === "paused" },
    { label: `Pause ${name}`, icon: Pause, act: pause.mutate, isOffered: state === "running" && canPause === true },
    { label: `Stop ${name}`, icon: Square, act: askToStop, isOffered: state === "running" },
  ].filter(({ isOffered }) => isOffered);
  const failed = [start, stop, pause, resume].find(({ isError }) => isError);
  return (
    <span className="flex justify-end gap-1 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 has-[[role=alert]]:opacity-100 [@media(hover:none)]:opacity-100">
      {failed?.error && (
        <span role="alert" className="self-center truncate text-danger" title={failed.error.message}>
          {failed.error.message}
        </span>
      )}
      {actions.map(({ label, icon: Icon, act }) => (
        <Button key={label} look="quiet" isSquare needsServer aria-label={label} title={label} onClick={() => act()}>
          <Icon aria-hidden className="size-4" />
        </Button>
      ))}
      <Button
        look="quiet"
        isSquare
        needsServer
        aria-label={`Remove ${name}`}
        title={`Remove ${name}`}
        disabled={state === "destroying"}
        onClick={() => destroy(environment)}
      >
        <Trash2 aria-hidden className="size-4" />
      </Button>
    </span>
  );
};

const NoticeMark = ({ environment, notice }: { readonly environment: Environment; readonly notice: Notice }) => {
  const words = noticeWords(environment.name, notice);
  return (
    <span className="inline-flex min-w-0 items-center gap-1 text-warn" title={words}>
      <Bell aria-hidden className="size-3.5 shrink-0" />
      <span className="truncate max-sm:sr-only">{words}</span>
    </span>
  );
};

interface RowProps {
  readonly environment: Environment;
  readonly now: number;
  readonly mayChange: boolean;
}

const Row = ({ environment, now, mayChange }: RowProps) => (
  <tr className="group h-8 border-b border-border hover:bg-raised/60 focus-within:bg-raised/60">
    <td className="truncate pr-4 pl-4">
      <Link
        to="/e/$id"
        params={{ id: environment.id }}
        onPointerEnter={preloadTerminal}
        className="font-medium hover:text-accent hover:underline"
      >
        {environment.name}
      </Link>
    </td>
    <td className="truncate pr-4">
      <span className="flex min-w-0 items-center gap-2">
        <Status of={environment} withReason />
        {environment.notice && <NoticeMark environment={environment} notice={environment.notice} />}
      </span>
    </td>
    <td className="truncate pr-4 text-muted max-md:hidden">{sizeWords(environment)}</td>
    <td
      className={`truncate pr-4 max-md:hidden ${isolationWords(environment.isolation).isWarning ? "text-warn" : "text-muted"}`}
    >
      {isolationWords(environment.isolation).short}
    </td>
    <td className={`truncate pr-4 max-md:hidden ${environment.notice?.code === "expiry" ? "text-warn" : "text-muted"}`}>
      {expiryWords(environment.expiresAt, now)}
    </td>
    <td className="truncate pr-4 text-muted max-sm:hidden">{agoWords(Date.parse(environment.createdAt), now)}</td>
    <td className="pr-2">{mayChange && <Actions environment={environment} />}</td>
  </tr>
);

const Table = ({ environments }: { readonly environments: readonly Environment[] }) => {
  const now = useNow(30_000);
  const mayChange = useHasEnvironments();
  const head = "h-8 pr-4 text-left font-normal text-muted";
  return (
    <div className="min-h-0 flex-1 overflow-auto">
      <table className="w-full table-fixed border-collapse">
        <caption className="sr-only">Environments</caption>
        <thead className="sticky top-0 bg-bg shadow-[inset_0_-1px_var(--color-border)]">
          <tr>
            <th scope="col" className={`${head} w-[22%] pl-4 max-sm:w-[40%]`}>
              Name
            </th>
            <th scope="col" className={`${head} w-[26%]`}>
              State
            </th>
            <th scope="col" className={`${head} max-md:hidden`}>
              Size
            </th>
            <th scope="col" className={`${head} w-28 max-md:hidden`}>
              Isolation
            </th>
            <th scope="col" className={`${head} w-24 max-md:hidden`}>
              Expires
            </th>
            <th scope="col" className={`${head} w-28 max-sm:hidden`}>
              Created
            </th>
            <th scope="col" className="w-32 max-sm:w-28">
              <span className="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {environments
            .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))
            .map((one) => (
              <Row key={one.id} environment={one} now={now} mayChange={mayChange} />
            ))}
        </tbody>
      </table>
    </div>
  );
};

/** What the host has ready for the next "New environment". */
const Readiness = ({ host }: { readonly host: HostStatus }) => {
  const readiness = readinessWords(host);
  if (readiness === null) return null;
  return (
    <span
      role="status"
      aria-label="Ready environments"
      title={readiness.detail || "A new environment of a standard size starts from one of these."}
      className={`truncate ${readiness.isWarning ? "text-warn" : ""}`}
    >
      {readiness.words}
    </span>
  );
};

/** What a new environment reaches, or that nothing keeps it from anything. */
const NetworkLabel = ({ host }: { readonly host: HostStatus }) => {
  const unenforced = unenforcedWords(host);
  if (unenforced !== null) return <span className="truncate text-warn">{unenforced}</span>;
  return <span className="max-md:hidden">Network: {networkWords(host.defaultNetwork, host, 0)}</span>;
};

const HostBar = () => {
  const host = useQuery(hostQuery);
  return (
    <footer className="flex h-6 shrink-0 items-center gap-4 overflow-hidden border-t border-border bg-surface px-3 text-xs whitespace-nowrap text-muted">
      {host.data && (
        <>
          <IsolationLabel isolation={host.data.isolation} />
          <NetworkLabel host={host.data} />
          <Readiness host={host.data} />
          <span className="ml-auto max-sm:hidden">microterm {host.data.version}</span>
        </>
      )}
    </footer>
  );
};

export const ListPage = () => {
  const list = useQuery(environmentsQuery);
  const isEmpty = list.data?.length === 0;
  const mayCreate = useHasEnvironments();
  useEffect(() => {
    document.title = "microterm";
  }, []);
  return (
    <div className="flex h-full flex-col">
      <Header actions={mayCreate && !isEmpty && <CreateButton />} />
      <main className="flex min-h-0 flex-1 flex-col">
        {list.isError && <FailureNote error={list.error} className="m-4" />}
        {isEmpty && (mayCreate ? <Empty /> : <EmptyForVisitor />)}
        {list.data && !isEmpty && <h1 className="sr-only">Environments</h1>}
        {list.data && !isEmpty && <Table environments={list.data} />}
        <Suspense>
          <SharedWithMe />
        </Suspense>
        <Suspense>
          <HandedOver />
        </Suspense>
        {list.isPending && (
          <p role="status" className="m-auto text-muted">
            Loading environments…
          </p>
        )}
      </main>
      <HostBar />
    </div>
  );
};
