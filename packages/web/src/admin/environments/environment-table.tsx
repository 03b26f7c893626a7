import type { AdminEnvironment } from "@microterm/protocol";
import { useState } from "react";
import { useAccount } from "../../parts/account/use-account.ts";
import { Button } from "../../parts/button.tsx";
import { Plain } from "../../parts/plain.tsx";
import { Status } from "../../parts/state/status.tsx";
import { bytesWords, cpuWords, elapsedWords } from "../../parts/words.ts";
import { AdminTable } from "../admin-table.tsx";
import { RemoveForeignQuestion, StopForeignQuestion } from "./foreign-questions.tsx";
import { LookInQuestion } from "./look-in-question.tsx";
import { TransferWindow } from "./transfer-window.tsx";

type Ask = "look-in" | "stop" | "remove" | "transfer";

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
  readonly isOwn: boolean;
  readonly onAsk: (ask: Ask) => void;
}

const EnvironmentRow = ({ environment, isOwn, onAsk }: RowProps) => {
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
        <span className="flex justify-end max-md:flex-wrap max-md:justify-start">
          {state === "running" && !isOwn && (
            <Button look="quiet" needsServer aria-label={`Look into ${what}`} onClick={() => onAsk("look-in")}>
              Look in
            </Button>
          )}
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
  const self = useAccount();
  const [asked, setAsked] = useState<{ readonly ask: Ask; readonly environment: AdminEnvironment } | null>(null);
  const askedFor = (ask: Ask): AdminEnvironment | null => (asked?.ask === ask ? asked.environment : null);
  const close = (): void => setAsked(null);
  return (
    <>
      <AdminTable caption="Environments of all accounts" heads={HEADS} hasActions>
        {environments
          .toSorted((a, b) => a.ownerName.localeCompare(b.ownerName) || a.name.localeCompare(b.name))
          .map((environment) => (
            <EnvironmentRow
              key={environment.id}
              environment={environment}
              isOwn={environment.owner === self?.id}
              onAsk={(ask) => setAsked({ ask, environment })}
            />
          ))}
      </AdminTable>
      <LookInQuestion environment={askedFor("look-in")} onClose={close} />
      <StopForeignQuestion environment={askedFor("stop")} onClose={close} />
      <RemoveForeignQuestion environment={askedFor("remove")} onClose={close} />
      <TransferWindow environment={askedFor("transfer")} onClose={close} />
    </>
  );
};
