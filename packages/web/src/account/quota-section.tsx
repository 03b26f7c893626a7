import { QUOTA_NAMES, type Quota, type QuotaName } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { administration } from "../api/administration.ts";
import { momentWords } from "../parts/account/people-words.ts";
import { amountWords, isUsedUp, QUOTA_LABELS } from "../parts/account/quota-words.ts";
import { FailureNote } from "../parts/failure.tsx";
import { Section } from "../parts/sheet.tsx";

/** Use changes by itself. */
const LOOK_MS = 15_000;

const Line = ({ name, quota }: { readonly name: QuotaName; readonly quota: Quota }) => {
  const [limit, used, left] = [quota.limits[name], quota.used[name], quota.left[name]];
  const isOut = isUsedUp(limit, used);
  return (
    <tr className="border-b border-border last:border-0 [&>*]:px-3 [&>*]:py-1.5">
      <th scope="row" className="text-left font-normal">
        {QUOTA_LABELS[name]}
      </th>
      <td className="text-right">{amountWords(name, used)}</td>
      <td className="text-right text-muted">{amountWords(name, limit)}</td>
      <td className={`text-right ${isOut ? "text-warn" : ""}`}>{left === null ? "" : amountWords(name, left)}</td>
    </tr>
  );
};

/** What one may have of the host, has, and has left. */
export const QuotaSection = () => {
  const quota = useQuery({
    queryKey: ["account", "quota"],
    queryFn: () => administration.quotas.own(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  return (
    <Section
      title="Quota"
      words={
        quota.data && quota.data.limits.hoursPerDay !== null
          ? `What you may have of the host. Hours begin again ${momentWords(quota.data.dayEndsAt)}.`
          : "What you may have of the host."
      }
    >
      {quota.isError && <FailureNote error={quota.error} />}
      {quota.isPending && (
        <p role="status" className="text-muted">
          Loading your quota…
        </p>
      )}
      {quota.data && (
        <div className="rounded-md border border-border">
          <table className="w-full border-collapse">
            <caption className="sr-only">Quota</caption>
            <thead>
              <tr className="border-b border-border text-muted [&>*]:px-3 [&>*]:py-1.5 [&>*]:font-normal">
                <th scope="col">
                  <span className="sr-only">Of</span>
                </th>
                {["Used", "Limit", "Left"].map((head) => (
                  <th key={head} scope="col" className="text-right">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {QUOTA_NAMES.map((name) => (
                <Line key={name} name={name} quota={quota.data} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Section>
  );
};
