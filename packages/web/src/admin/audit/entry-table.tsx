import type { AuditEntry } from "@microterm/protocol";
import { momentWords } from "../../parts/account/people-words.ts";
import { Plain } from "../../parts/plain.tsx";
import { AdminTable } from "../admin-table.tsx";
import { actorWords, detailWords, OUTCOMES, targetWords } from "./audit-words.ts";

const EntryRow = ({ entry }: { readonly entry: AuditEntry }) => {
  const { at, action, outcome, code, address, count, detail } = entry;
  const { word, tone } = OUTCOMES[outcome];
  const words = detailWords(detail);
  return (
    <tr className="border-b border-border align-top last:border-0 max-md:grid max-md:grid-cols-[1fr_auto] max-md:gap-x-3 max-md:px-3 max-md:py-2 md:[&>*]:px-3 md:[&>*]:py-1.5">
      <td className="whitespace-nowrap text-muted">
        <time dateTime={at} title={at}>
          {momentWords(at)}
        </time>
      </td>
      <td className="max-w-40 truncate max-md:col-start-1">
        <Plain text={actorWords(entry)} className="font-medium" />
      </td>
      <td className="max-md:col-span-2">
        <span className="font-mono text-xs">{action}</span>
        {count > 1 && <span className="ml-1 text-muted">{count} times</span>}
        {words !== "" && <p className="max-w-md text-xs break-words text-muted">{words}</p>}
      </td>
      <td className="max-w-40 truncate max-md:col-span-2">
        <Plain text={targetWords(entry)} />
      </td>
      <td className={`${tone} max-md:col-start-2 max-md:row-start-1`} title={code ?? undefined}>
        {word}
      </td>
      <td className="whitespace-nowrap text-muted max-md:col-start-2 max-md:row-start-2">{address}</td>
    </tr>
  );
};

const HEADS = ["When", "Who", "What", "To", "Outcome", "From"] as const;

export const EntryTable = ({ entries }: { readonly entries: readonly AuditEntry[] }) => (
  <AdminTable caption="Entries of the audit log, the newest first" heads={HEADS}>
    {entries.map((entry) => (
      <EntryRow key={entry.id} entry={entry} />
    ))}
  </AdminTable>
);
