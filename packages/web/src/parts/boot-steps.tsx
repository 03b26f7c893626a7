import type { Environment } from "@microterm/protocol";
import { Check, Circle, LoaderCircle } from "lucide-react";
import { useEffect, useState } from "react";
import { useNow } from "./use-now.ts";
import { BOOT_STEPS, currentStep, elapsedWords } from "./words.ts";

/** A clock that differs from the server's by more than this, or a restart of an old environment: count from now. */
const FRESH_MS = 60_000;

const startOf = ({ createdAt }: Environment): number => {
  const created = Date.parse(createdAt);
  const age = Date.now() - created;
  return age >= 0 && age < FRESH_MS ? created : Date.now();
};

/** How an environment starts, step by step, with the time it has taken. */
export const BootSteps = ({ environment }: { readonly environment: Environment }) => {
  const [start] = useState(() => startOf(environment));
  const now = useNow(200);
  const step = Math.max(0, currentStep(environment.reason));
  const [stepStart, setStepStart] = useState(start);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the time is taken anew exactly when the step changes.
  useEffect(() => setStepStart(Date.now()), [step]);
  // What the reason says beyond the step's name, such as a second attempt.
  const remark = environment.reason?.slice(BOOT_STEPS[step]?.step.length ?? 0).replace(/^[\s:]+/, "") ?? "";
  return (
    <section aria-label="Starting" className="m-auto w-80 p-6">
      <h1 className="text-[15px]">Starting {environment.name}</h1>
      <p className="text-muted">{elapsedWords(now - start)} so far</p>
      <ol className="mt-4 grid gap-2">
        {BOOT_STEPS.map(({ step: name, words }, i) => (
          <li
            key={name}
            aria-current={i === step ? "step" : undefined}
            className={`flex items-center gap-2.5 ${i === step ? "" : "text-muted"}`}
          >
            {i < step && <Check aria-label="Done:" className="size-4 text-ok" />}
            {i === step && <LoaderCircle aria-hidden className="size-4 animate-spin text-accent" />}
            {i > step && <Circle aria-hidden className="size-4 opacity-40" />}
            <span>
              {words}
              {i === step && remark !== "" && <span className="text-warn"> {remark}</span>}
            </span>
            {i === step && <span className="ml-auto text-muted tabular-nums">{elapsedWords(now - stepStart)}</span>}
          </li>
        ))}
      </ol>
      <p className="sr-only" role="status">
        {BOOT_STEPS[step]?.words}
      </p>
    </section>
  );
};
