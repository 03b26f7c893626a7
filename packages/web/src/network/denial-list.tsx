import type { AllowRule, EnvironmentId, NetworkDenial, NetworkPolicy } from "@microterm/protocol";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { client } from "../api/queries.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { denialsQuery } from "./denials-query.ts";
import { inOrder, isAllowedBy, noRuleWords, ruleOf, subjectOf, targetWords } from "./denied.ts";

const HOUR_MS = 3_600_000;
/** Of a guest's making: more of them help nobody. */
const MOST_SHOWN = 50;

interface RowProps {
  readonly denial: NetworkDenial;
  readonly isAllowed: boolean;
  readonly onAllow: (rule: AllowRule) => void;
}

const Row = ({ denial, isAllowed, onAllow }: RowProps) => {
  const row = useRef<HTMLLIElement>(null);
  const words = targetWords(denial);
  const rule = ruleOf(denial, undefined);
  const permit = (expiresAt?: string): void => {
    const wanted = ruleOf(denial, expiresAt);
    // The buttons go once it is allowed.
    row.current?.focus();
    if (wanted !== null) onAllow(wanted);
  };
  return (
    <li ref={row} tabIndex={-1} className="flex min-h-9 flex-wrap items-center gap-x-2 rounded-md pl-2 hover:bg-raised">
      <span className="min-w-0 flex-[1_1_10rem] font-mono text-xs break-all">{words}</span>
      <span className="shrink-0 text-muted" title={`${denial.count} packets`}>
        {denial.count.toLocaleString("en")}×
      </span>
      {isAllowed && <span className="ml-auto shrink-0 px-2 text-ok">Allowed now</span>}
      {!isAllowed && rule === null && <span className="ml-auto shrink-0 px-2 text-muted">{noRuleWords(denial)}</span>}
      {!isAllowed && rule !== null && (
        <span className="ml-auto flex shrink-0">
          <Button look="quiet" needsServer aria-label={`Allow ${words}`} onClick={() => permit()}>
            Allow
          </Button>
          <Button
            look="quiet"
            needsServer
            aria-label={`Allow ${words} for an hour`}
            onClick={() => permit(new Date(Date.now() + HOUR_MS).toISOString())}
          >
            For an hour
          </Button>
        </span>
      )}
    </li>
  );
};

export interface DenialListProps {
  readonly id: EnvironmentId;
  readonly policy: NetworkPolicy;
  readonly now: number;
}

/** What a running environment was refused in the last hour. */
export const DenialList = ({ id, policy, now }: DenialListProps) => {
  const { data, error } = useQuery({ ...denialsQuery(id, policy), placeholderData: keepPreviousData });
  const allow = useMutation({ mutationFn: (rule: AllowRule) => client.environments.allow(id, rule) });
  const known = useRef<readonly string[]>([]);
  const list = inOrder(known.current, data ?? []);
  known.current = list.map(subjectOf);
  const failed = allow.error ?? error;
  return (
    <section className="mt-4" aria-labelledby="network-denials">
      <h3 id="network-denials" className="font-semibold">
        Refused in the last hour
      </h3>
      {failed !== null && <FailureNote error={failed} className="mt-1" />}
      {data?.length === 0 && (
        <p className="mt-1 text-muted">
          Nothing. What a program tries to reach and may not fails at once, and is listed here to be allowed.
        </p>
      )}
      <ul aria-labelledby="network-denials" className="mt-1 -ml-2">
        {list.slice(0, MOST_SHOWN).map((denial) => (
          <Row
            key={subjectOf(denial)}
            denial={denial}
            isAllowed={isAllowedBy(policy, denial, now)}
            onAllow={(rule) => allow.mutate(rule)}
          />
        ))}
      </ul>
      {list.length > MOST_SHOWN && (
        <p className="mt-1 text-muted">And {list.length - MOST_SHOWN} more, which the command line lists.</p>
      )}
    </section>
  );
};
