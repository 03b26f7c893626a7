import type { AdminEnvironment } from "@microterm/protocol";
import { useState } from "react";
import { Button } from "../../parts/button.tsx";
import { Plain } from "../../parts/plain.tsx";
import { Status } from "../../parts/state/status.tsx";
import { bytesWords, cpuWords, elapsedWords } from "../../parts/words.ts";
import { RemoveForeignQuestion, StopForeignQuestion } from "./foreign-questions.tsx";
import { TransferWindow } from "./transfer-window.tsx";

type Ask = "stop" | "remove" | "transfer";

const UseWords = ({ environment }: { readonly environment: AdminEnvironment }) => {
  const { machine, diskMib } = environment.use;
  const parts = [
    ...(machine === null
      ? []
      : [
          `${bytesWords(machine.memoryBytes)} of memory`,
          `${elapsedWords(machine.cpuMs)} of CPU`,
          `${machine.processes} processes`,
        ]),
    ...(diskMib === null ? [] : [`${bytesWords(diskMib * 2 ** 20)} of disk`]),
  ];
  return <>{parts.join(" · ")}</>;
};

interface RowProps {
  readonly environment: AdminEnvironment;
  readonly onAsk: (ask: Ask) => void;
}

const EnvironmentRow = ({ environment, onAsk }: RowProps) => {
  const { name, ownerName, state } = environment;
  const what = `${name} of ${ownerName}`;
  return (
    <tr className="border-b border-border last:border-0 max-md:grid max-md:py-2">
      <th scope="row" className="h-10 px-3 text-left font-medium whitespace-nowrap max-md:h-auto">
        <Plain text={name} />
      </th>
      <td className="px-3">
        <Plain text={ownerName} />
      </td>
      <td className="px-3">
        <Status of={environment} />
      </td>
      <td className="px-3 whitespace-nowrap text-muted">{cpuWords(environment)}</td>
      <td className="px-3 text-muted">
        <UseWords environment={environment} />
      </td>
      <td className="px-1.5">
        <span className="flex justify-end max-md:justify-start">
          {state === "running" && (
            <Button look="quiet" needsServer aria-label={`Stop ${what}`} onClick={() => onAsk("stop")}>
              Stop
            </Button>
          )}
          <Button look="quiet" needsServer aria-label={`Hand over ${what}`} onClick={() => onAsk("transfer")}>
            Hand over
          </Button>
          <Button
            look="quiet"
            needsServer
            disabled={state === "destroying"}
            aria-label={`Remove ${what}`}
            onClick={() => onAsk("remove")}
          >
            Remove
          </Button>
        </span>
      </td>
    </tr>
  );
};

const HEADS = ["Name", "Owner", "State", "Size", "Use"] as const;

/** Environments of any owner, and what an admin does with them. */
export const EnvironmentTable = ({ environments }: { readonly environments: readonly AdminEnvironment[] }) => {
  const [asked, setAsked] = useState<{ readonly ask: Ask; readonly environment: AdminEnvironment } | null>(null);
  const askedFor = (ask: Ask): AdminEnvironment | null => (asked?.ask === ask ? asked.environment : null);
  const close = (): void => setAsked(null);
  return (
    <>
      <div className="overflow-x-auto rounded-md border border-border">
        <table className="w-full border-collapse max-md:block">
          <caption className="sr-only">Environments of all accounts</caption>
          <thead className="max-md:sr-only">
            <tr className="border-b border-border">
              {HEADS.map((head) => (
                <th key={head} scope="col" className="h-8 px-3 text-left font-normal text-muted">
                  {head}
                </th>
              ))}
              <th scope="col">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody className="max-md:block">
            {environments
              .toSorted((a, b) => a.ownerName.localeCompare(b.ownerName) || a.name.localeCompare(b.name))
              .map((environment) => (
                <EnvironmentRow
                  key={environment.id}
                  environment={environment}
                  onAsk={(ask) => setAsked({ ask, environment })}
                />
              ))}
          </tbody>
        </table>
      </div>
      <StopForeignQuestion environment={askedFor("stop")} onClose={close} />
      <RemoveForeignQuestion environment={askedFor("remove")} onClose={close} />
      <TransferWindow environment={askedFor("transfer")} onClose={close} />
    </>
  );
};
