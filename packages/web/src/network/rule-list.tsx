import type { AllowRule } from "@microterm/protocol";
import { X } from "lucide-react";
import { Button } from "../parts/button.tsx";
import { leftWords, portsWords, targetOf } from "./policy-words.ts";

export interface RuleListProps {
  readonly rules: readonly AllowRule[];
  readonly now: number;
  readonly onRemove: (rule: AllowRule) => void;
}

export const RuleList = ({ rules, now, onRemove }: RuleListProps) => (
  <ul aria-label="Allowed" className="mt-2 -ml-2">
    {rules.map((rule) => {
      const left = leftWords(rule, now);
      const words = `${targetOf(rule)}, ${portsWords(rule)}`;
      return (
        <li
          key={JSON.stringify(rule)}
          className="flex min-h-9 flex-wrap items-center gap-x-2 rounded-md pl-2 hover:bg-raised"
        >
          <span className="min-w-0 flex-[1_1_8rem] font-mono text-xs break-all">{targetOf(rule)}</span>
          <span className="text-muted">{portsWords(rule)}</span>
          {left !== null && <span className="text-warn">{left}</span>}
          <Button
            look="quiet"
            isSquare
            needsServer
            aria-label={`Remove ${words}`}
            title="Remove: its connections end at once"
            onClick={() => onRemove(rule)}
          >
            <X aria-hidden className="size-4" />
          </Button>
        </li>
      );
    })}
  </ul>
);
