import type { AllowRule, EnvironmentId, NetworkMode, NetworkPolicy } from "@microterm/protocol";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { client, hostQuery } from "../api/queries.ts";
import { Button } from "../parts/button.tsx";
import { FailureNote } from "../parts/failure.tsx";
import { rulesAt } from "./policy-words.ts";
import { RuleForm } from "./rule-form.tsx";
import { RuleList } from "./rule-list.tsx";

const MODES: readonly (readonly [NetworkMode, string])[] = [
  ["open", "the internet"],
  ["allowlist", "what you list, nothing else"],
  ["none", "nothing"],
];

interface ModesProps {
  readonly chosen: NetworkMode;
  /** Those that can be had; the one that it has is always shown as chosen. */
  readonly modes: readonly NetworkMode[];
  readonly onChosen: (mode: NetworkMode) => void;
}

const Modes = ({ chosen, modes, onChosen }: ModesProps) => (
  <fieldset className="mt-3 grid gap-1">
    <legend className="sr-only">Policy</legend>
    {MODES.map(([mode, words]) => (
      <label
        key={mode}
        className={`flex min-h-8 cursor-pointer items-center gap-2 rounded-md border px-2.5 py-1 has-disabled:cursor-default has-disabled:opacity-55 has-focus-visible:outline-2 has-focus-visible:outline-accent ${chosen === mode ? "border-accent bg-accent/8" : "border-border hover:bg-raised"}`}
      >
        <input
          type="radio"
          name="network-mode"
          value={mode}
          checked={chosen === mode}
          disabled={!modes.includes(mode)}
          onChange={() => onChosen(mode)}
          className="accent-accent outline-none"
        />
        <span className="font-medium">{mode}</span>
        <span className="ml-auto text-muted">{words}</span>
      </label>
    ))}
  </fieldset>
);

const changeWords = (policy: NetworkPolicy, rules: number): string => {
  const end = "Connections that are no longer allowed end at once.";
  if (policy.mode !== "allowlist" || rules === 0) return end;
  return `${end} Its ${rules === 1 ? "rule is" : `${rules} rules are`} dropped.`;
};

export interface PolicyFormProps {
  readonly id: EnvironmentId;
  readonly policy: NetworkPolicy;
  readonly now: number;
}

/** What an environment may reach, and changes of it, which hold at once. */
export const PolicyForm = ({ id, policy, now }: PolicyFormProps) => {
  const host = useQuery(hostQuery);
  const [draft, setDraft] = useState<NetworkMode | null>(null);
  const place = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever changed it, what was meant before is over.
  useEffect(() => setDraft(null), [policy.mode]);
  const change = useMutation({ mutationFn: (network: NetworkPolicy) => client.environments.update(id, { network }) });
  const allow = useMutation({ mutationFn: (rule: AllowRule) => client.environments.allow(id, rule) });
  const disallow = useMutation({ mutationFn: (rule: AllowRule) => client.environments.disallow(id, rule) });
  const chosen = draft ?? policy.mode;
  const rules = rulesAt(policy, now);
  const failed = change.error ?? allow.error ?? disallow.error;
  const begin = (): void => {
    for (const one of [change, allow, disallow]) one.reset();
  };
  const send = (network: NetworkPolicy): void => {
    begin();
    // What was pressed goes once that holds.
    place.current?.focus();
    change.mutate(network);
  };
  /** That one alone: others may come at the same time, from elsewhere. */
  const remove = (rule: AllowRule): void => {
    begin();
    place.current?.focus();
    disallow.mutate(rule);
  };
  /** Beside all rules that there are by then; with `open` it is the first one of a list. */
  const add = (rule: AllowRule): Promise<unknown> => {
    begin();
    return policy.mode === "open" ? change.mutateAsync({ mode: "allowlist", allow: [rule] }) : allow.mutateAsync(rule);
  };
  const modes = host.data?.networkModes ?? [];
  return (
    <div ref={place} tabIndex={-1} className="outline-none">
      {host.data && modes.length === 0 && (
        <p role="alert" className="mt-2 text-warn">
          Networks can't be had on this host now: {host.data.networkReason}.
        </p>
      )}
      <Modes
        chosen={chosen}
        modes={modes}
        onChosen={(mode) => {
          begin();
          setDraft(mode);
        }}
      />
      {chosen !== policy.mode && (
        <div className="mt-2 flex flex-wrap items-center gap-2">
          <p className="min-w-48 flex-1 text-muted">{changeWords(policy, rules.length)}</p>
          <Button
            look="primary"
            needsServer
            busy={change.isPending ? "Changing…" : null}
            onClick={() => send(chosen === "allowlist" ? { mode: chosen, allow: [] } : { mode: chosen })}
          >
            Change to {chosen === "allowlist" ? "an empty allowlist" : chosen}
          </Button>
        </div>
      )}
      {failed !== null && <FailureNote error={failed} className="mt-2" />}
      {chosen === "allowlist" && (
        <>
          {rules.length > 0 && <RuleList rules={rules} now={now} onRemove={remove} />}
          <RuleForm isBusy={allow.isPending || change.isPending} onAdd={add} />
        </>
      )}
    </div>
  );
};
