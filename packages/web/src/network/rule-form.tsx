import type { AllowRule } from "@microterm/protocol";
import { type FormEvent, useRef, useState } from "react";
import { Button } from "../parts/button.tsx";
import { allowWords, type EntryFault, isAddress, isFault, type RuleEntry, readRule } from "./rule-entry.ts";

const FIELD = "h-8 w-full min-w-0 rounded-md border border-border bg-bg px-2 aria-invalid:border-danger";
const EMPTY: RuleEntry = { target: "", ports: "", protocol: "", seconds: 0 };
const TIMES = [
  [0, "for good"],
  [3600, "for an hour"],
  [28_800, "for 8 hours"],
  [86_400, "for a day"],
] as const;

const protocolsOf = ({ target, ports }: RuleEntry): readonly (readonly [RuleEntry["protocol"], string])[] =>
  isAddress(target) && ports.trim() === ""
    ? [
        ["", "any"],
        ["tcp", "TCP"],
        ["udp", "UDP"],
      ]
    : [
        ["", "TCP"],
        ["udp", "UDP"],
      ];

export interface RuleFormProps {
  readonly isBusy: boolean;
  /** Rejects where it was not added, which is said elsewhere. */
  readonly onAdd: (rule: AllowRule) => Promise<unknown>;
}

/** One rule more. What is wrong with it is said before it is sent. */
export const RuleForm = ({ isBusy, onAdd }: RuleFormProps) => {
  const [entry, setEntry] = useState(EMPTY);
  const [fault, setFault] = useState<EntryFault | null>(null);
  const target = useRef<HTMLInputElement>(null);
  const ports = useRef<HTMLInputElement>(null);
  const set = (change: Partial<RuleEntry>): void => {
    setEntry((before) => ({ ...before, ...change }));
    setFault(null);
  };
  const read = readRule(entry, Date.now());
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isBusy) return;
    if (isFault(read)) {
      setFault(read);
      (read.field === "ports" ? ports : target).current?.focus();
      return;
    }
    void onAdd(read).then(
      () => {
        setEntry(EMPTY);
        target.current?.focus();
      },
      () => undefined,
    );
  };
  const faulty = (field: EntryFault["field"]) =>
    fault?.field === field && { "aria-invalid": true, "aria-describedby": "rule-fault" };
  return (
    <form className="mt-2 grid gap-2 rounded-md border border-border p-2.5" onSubmit={submit} noValidate>
      <label className="grid gap-1">
        <span className="text-muted">Domain or address</span>
        <input
          ref={target}
          className={`${FIELD} font-mono text-xs`}
          placeholder="example.com"
          value={entry.target}
          onChange={({ currentTarget }) => set({ target: currentTarget.value })}
          autoCapitalize="off"
          autoComplete="off"
          spellCheck={false}
          {...faulty("target")}
        />
      </label>
      <div className="grid grid-cols-3 gap-2">
        <label className="grid gap-1">
          <span className="text-muted">Ports</span>
          <input
            ref={ports}
            className={FIELD}
            placeholder={isAddress(entry.target) ? "every" : "80, 443"}
            value={entry.ports}
            onChange={({ currentTarget }) => set({ ports: currentTarget.value })}
            autoComplete="off"
            {...faulty("ports")}
          />
        </label>
        <label className="grid gap-1">
          <span className="text-muted">Protocol</span>
          <select
            className={FIELD}
            value={entry.protocol}
            onChange={({ currentTarget }) => set({ protocol: currentTarget.value as RuleEntry["protocol"] })}
          >
            {protocolsOf(entry).map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label className="grid gap-1">
          <span className="text-muted">How long</span>
          <select
            className={FIELD}
            value={entry.seconds}
            onChange={({ currentTarget }) => set({ seconds: Number(currentTarget.value) })}
          >
            {TIMES.map(([seconds, words]) => (
              <option key={seconds} value={seconds}>
                {words}
              </option>
            ))}
          </select>
        </label>
      </div>
      {fault !== null && (
        <p id="rule-fault" role="alert" className="text-danger">
          {fault.message}
        </p>
      )}
      <div className="flex items-center gap-2">
        <p className="min-w-0 flex-1 text-muted">
          {isFault(read) ? "A domain, with *. for all names below it, or IPv4 addresses." : allowWords(read)}
        </p>
        <Button type="submit" needsServer busy={isBusy ? "Adding…" : null}>
          Add
        </Button>
      </div>
    </form>
  );
};
