import type { MachineId } from "@microterm/protocol";
import type { OperationReport } from "../../ports/observer.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import type { Stopwatch } from "../../time/stopwatch.ts";
import type { EnvironmentContext } from "../state/environment-context.ts";

interface EndedStart {
  readonly method: NonNullable<OperationReport["method"]>;
  readonly machine: MachineId | null;
  readonly outcome: OperationReport["outcome"];
  readonly stopwatch: Stopwatch;
}

export function reportStart(
  { observer }: Pick<EnvironmentContext, "observer">,
  { id }: Pick<EnvironmentRow, "id">,
  { method, machine, outcome, stopwatch }: EndedStart,
): void {
  const operation = method === "resume" ? "resume" : "start";
  observer.operationEnded({ operation, environment: id, machine, method, outcome, ...stopwatch.read() });
}
