import { QUOTA_NAMES, type QuotaLimits, type QuotaUse } from "@microterm/protocol";
import { amountWords, isUsedUp, QUOTA_LABELS } from "../../parts/account/quota-words.ts";
import { Button } from "../../parts/button.tsx";
import { Plain } from "../../parts/plain.tsx";

export interface QuotaRow {
  readonly key: string;
  readonly name: string;
  /** Where its limits come from; null: it is where they come from. */
  readonly note: string | null;
  readonly limits: QuotaLimits;
  /** Null: it uses nothing itself. */
  readonly used: QuotaUse | null;
  readonly onEdit: () => void;
}

const CELL = "px-3 py-1.5 text-right whitespace-nowrap";

export const QuotaTable = ({ caption, rows }: { readonly caption: string; readonly rows: readonly QuotaRow[] }) => (
  <div className="relative overflow-x-auto rounded-md border border-border">
    <table className="w-full border-collapse">
      <caption className="sr-only">{caption}</caption>
      <thead>
        <tr className="border-b border-border text-muted">
          <th scope="col" className="px-3 text-left font-normal">
            Name
          </th>
          {QUOTA_NAMES.map((name) => (
            <th key={name} scope="col" className={`${CELL} font-normal`}>
              {QUOTA_LABELS[name]}
            </th>
          ))}
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, note, limits, used, onEdit }) => (
          <tr key={key} className="border-b border-border last:border-0">
            <th scope="row" className="px-3 text-left font-normal whitespace-nowrap">
              <Plain text={name} className="font-medium" />
              {note !== null && <span className="ml-1 text-muted"> {note}</span>}
            </th>
            {QUOTA_NAMES.map((quota) => (
              <td key={quota} className={CELL}>
                {used !== null && (
                  <span className={isUsedUp(limits[quota], used[quota]) ? "text-warn" : ""}>
                    {amountWords(quota, used[quota])}
                    <span className="text-muted"> of </span>
                  </span>
                )}
                <span className={used === null ? "" : "text-muted"}>{amountWords(quota, limits[quota])}</span>
              </td>
            ))}
            <td className="sticky right-0 bg-bg px-1.5">
              <Button look="quiet" needsServer aria-label={`Change the quota of ${name}`} onClick={onEdit}>
                Change
              </Button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
