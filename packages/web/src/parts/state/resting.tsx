/** An environment that does not run: stopped, failed, or paused with all it had in memory. */
import type { Environment } from "@microterm/protocol";
import { Moon, Play } from "lucide-react";
import { useEffect, useRef } from "react";
import { Button } from "../button.tsx";
import { Card } from "../card.tsx";
import { FailureNote } from "../failure.tsx";
import { usePower } from "../power/use-power.ts";
import { sentence } from "../words.ts";
import { Logs } from "./logs.tsx";
import { startSteps } from "./start-steps.ts";

export const Resting = ({ environment }: { readonly environment: Environment }) => {
  const { start } = usePower(environment.id);
  const hasFailed = environment.state === "failed";
  return (
    <Card isWide={hasFailed}>
      <h1 className="text-[15px]">
        {hasFailed ? `${environment.name} has failed` : `${environment.name} is ${environment.state}`}
      </h1>
      {environment.reason && (
        <p className={`mt-1 ${hasFailed ? "text-danger" : "text-muted"}`}>{sentence(environment.reason)}</p>
      )}
      <p className="mt-1 text-muted">Its disk is kept: starting it brings back the files, with a new terminal.</p>
      {start.isError && <FailureNote error={start.error} className="mt-3" />}
      <div className="mt-4">
        <Button
          look="primary"
          command="environment.start"
          needsServer
          busy={start.isPending ? "Starting…" : null}
          onClick={() => start.mutate()}
          autoFocus
        >
          <Play aria-hidden className="size-4" />
          {hasFailed ? "Start again" : "Start"}
        </Button>
      </div>
      {hasFailed && <Logs environment={environment.id} />}
    </Card>
  );
};

/** A paused environment, over its terminals where the page has them: Enter resumes. */
export const PausedCard = ({ environment }: { readonly environment: Environment }) => {
  const { resume, start } = usePower(environment.id);
  const button = useRef<HTMLButtonElement>(null);
  // What had the focus lies behind it now.
  useEffect(() => button.current?.focus(), []);
  const isResuming = resume.isPending || environment.state === "creating";
  const { steps, current } = startSteps(environment, "resume");
  const step = environment.state === "creating" ? steps[current]?.words : undefined;
  return (
    <Card label="Paused">
      <h1 className="flex items-center gap-2 text-[15px]">
        <Moon aria-hidden className="size-4 text-muted" />
        <span className="truncate">{environment.name} is paused</span>
      </h1>
      <p className="mt-1 text-muted">
        Its memory is kept: programs and terminals go on exactly where they were.
        {environment.state === "paused" && environment.reason && ` ${sentence(environment.reason)}`}
      </p>
      {resume.isError && <FailureNote error={resume.error} className="mt-3" />}
      {start.isError && <FailureNote error={start.error} className="mt-3" />}
      <div className="mt-4 flex items-center gap-2">
        <Button
          ref={button}
          look="primary"
          command="environment.resume"
          needsServer
          busy={isResuming ? "Resuming…" : null}
          onClick={() => resume.mutate()}
        >
          <Play aria-hidden className="size-4" />
          Resume
          <kbd className="ml-1 font-sans">Enter</kbd>
        </Button>
        {resume.isError && (
          <Button needsServer busy={start.isPending ? "Starting…" : null} onClick={() => start.mutate()}>
            Start afresh from its disk
          </Button>
        )}
        <span role="status" className="text-muted">
          {step}
        </span>
      </div>
    </Card>
  );
};

/** The card over the terminals, which stay visible behind it. */
export const PausedCover = ({ environment }: { readonly environment: Environment }) => (
  <div className="fade absolute inset-0 flex bg-veil" data-cover="paused">
    <PausedCard environment={environment} />
  </div>
);
