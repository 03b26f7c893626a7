import type { Environment } from "@microterm/protocol";
import { Check, Circle, LoaderCircle } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Card } from "../card.tsx";
import { useNow } from "../use-now.ts";
import { elapsedWords } from "../words.ts";
import { type Flow, startSteps } from "./start-steps.ts";

/** How an environment starts or resumes, step by step, with the time since the page saw it begin: an old one that is started again has an old date. Not shown where it is there at once. */
export const StartProgress = ({ environment }: { readonly environment: Environment }) => {
  const [start] = useState(() => Date.now());
  const now = useNow(200);
  const before = useRef<Flow | null>(null);
  const { flow, steps, current } = startSteps(environment, before.current);
  if (current >= 0) before.current = flow;
  const at = Math.max(0, current);
  const [stepStart, setStepStart] = useState(start);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the time is reset exactly when the step changes.
  useEffect(() => setStepStart(Date.now()), [flow, at]);
  const verb = flow === "resume" ? "Resuming" : "Starting";
  return (
    <Card label={verb} className="late">
      <h1 className="text-[15px]">
        {verb} {environment.name}
      </h1>
      <p className="text-muted">{elapsedWords(now - start)} so far</p>
      <ol className="mt-4 grid gap-2">
        {steps.map(({ step, words }, i) => (
          <li
            key={step}
            aria-current={i === at ? "step" : undefined}
            className={`flex items-center gap-2.5 ${i === at ? "" : "text-muted"}`}
          >
            {i < at && <Check aria-label="Done:" className="size-4 shrink-0 text-ok" />}
            {i === at && <LoaderCircle aria-hidden className="size-4 shrink-0 animate-spin text-accent" />}
            {i > at && <Circle aria-hidden className="size-4 shrink-0 opacity-40" />}
            <span>
              {words}
              {i === at && environment.reason && <span className="text-warn"> ({environment.reason})</span>}
            </span>
            {i === at && (
              <span className="ml-auto whitespace-nowrap text-muted tabular-nums">{elapsedWords(now - stepStart)}</span>
            )}
          </li>
        ))}
      </ol>
      <p className="sr-only" role="status">
        {steps[at]?.words}
      </p>
    </Card>
  );
};
