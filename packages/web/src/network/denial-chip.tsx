/** What the network has just refused a running environment. Loaded where there is a network. */
import type { AllowRule, Environment, NetworkDenial, NetworkPolicy } from "@microterm/protocol";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Ban, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { client, failureOf } from "../api/queries.ts";
import { Button } from "../parts/button.tsx";
import { focusTerminal } from "../parts/focus.ts";
import { denialsQuery } from "./denials-query.ts";
import { type Counts, countsOf, latestSince, ruleOf, shortTarget, subjectOf, targetWords } from "./denied.ts";

const HOUR_MS = 3_600_000;
/** Of a guest's choosing is what the buttons act on: a press so soon after a change was meant for what stood there before. */
const UNREAD_MS = 700;

interface Shown {
  readonly denial: NetworkDenial;
  readonly at: number;
}

/** The latest denial since this page began to look, or since the policy changed. It stays while it is pointed at or has the focus. */
function useLatest(id: string, policy: NetworkPolicy, isHeld: () => boolean) {
  const { data, dataUpdatedAt } = useQuery(denialsQuery(id, policy));
  const seen = useRef<Counts | null>(null);
  const dismissed = useRef(new Set<string>());
  const [shown, setShown] = useState<Shown | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what was held back is looked at again with each answer.
  useEffect(() => {
    if (data === undefined) {
      seen.current = null;
      dismissed.current.clear();
      setShown(null);
      return;
    }
    if (isHeld()) return;
    const denial = seen.current === null ? null : latestSince(seen.current, data);
    seen.current = countsOf(data);
    if (denial === null || dismissed.current.has(subjectOf(denial))) return;
    setShown((before) =>
      before !== null && subjectOf(before.denial) === subjectOf(denial) ? before : { denial, at: performance.now() },
    );
  }, [data, dataUpdatedAt]);
  const dismiss = (): void => {
    if (shown !== null) dismissed.current.add(subjectOf(shown.denial));
    setShown(null);
  };
  return { shown, dismiss };
}

const whyWords = ({ by }: NetworkDenial, mode: NetworkPolicy["mode"]): string =>
  by === "bounds" ? "no policy allows it" : mode;

export interface DenialChipProps {
  readonly id: Environment["id"];
  readonly policy: NetworkPolicy;
}

export const DenialChip = ({ id, policy }: DenialChipProps) => {
  const chip = useRef<HTMLElement>(null);
  const { shown, dismiss } = useLatest(id, policy, () => chip.current?.matches(":hover, :focus-within") === true);
  const allow = useMutation({
    mutationFn: (rule: AllowRule) => client.environments.allow(id, rule),
    onSuccess: () => focusTerminal(),
  });
  const wordsOf = ({ denial }: Shown, target: string): string =>
    `Blocked: ${target} (${whyWords(denial, policy.mode)})`;
  const words = shown === null ? "" : wordsOf(shown, targetWords(shown.denial));
  const permit = (expiresAt?: string): void => {
    const rule = shown === null || performance.now() - shown.at < UNREAD_MS ? null : ruleOf(shown.denial, expiresAt);
    if (rule !== null) allow.mutate(rule);
  };
  const canAllow = shown !== null && ruleOf(shown.denial, undefined) !== null;
  return (
    <>
      <span role="status" aria-live="polite" className="sr-only">
        {words}
      </span>
      {shown !== null && (
        <section
          ref={chip}
          aria-label="Blocked by the network"
          data-denial={shown.denial.by}
          className="flex max-w-full flex-wrap items-center gap-1 rounded-md border border-warn/60 bg-raised pl-2.5 max-xl:absolute max-xl:top-full max-xl:right-2 max-xl:z-2 max-xl:mt-2 max-xl:max-w-[calc(100%-16px)] max-xl:shadow-overlay"
        >
          <Ban aria-hidden className="size-4 shrink-0 text-warn" />
          <span
            className="min-w-0 max-w-120 leading-8 break-all xl:truncate max-sm:max-w-72 max-sm:py-1 max-sm:leading-5"
            title={words}
          >
            {wordsOf(shown, shortTarget(targetWords(shown.denial)))}
          </span>
          {canAllow && (
            <span className="ml-auto flex">
              <Button look="quiet" needsServer busy={allow.isPending ? "Allowing…" : null} onClick={() => permit()}>
                Allow
              </Button>
              <Button
                look="quiet"
                needsServer
                aria-disabled={allow.isPending || undefined}
                onClick={() => !allow.isPending && permit(new Date(Date.now() + HOUR_MS).toISOString())}
              >
                Allow for an hour
              </Button>
            </span>
          )}
          <Button
            look="quiet"
            isSquare
            aria-label="Dismiss"
            onClick={() => {
              allow.reset();
              dismiss();
              focusTerminal();
            }}
          >
            <X aria-hidden className="size-4" />
          </Button>
          {allow.isError && (
            <span role="alert" className="max-w-64 truncate pr-2 text-danger" title={failureOf(allow.error).message}>
              {failureOf(allow.error).message}
            </span>
          )}
        </section>
      )}
    </>
  );
};
