import { type CreateEnvironment, DEFAULT_SIZE, SIZES, Size } from "@microterm/protocol";
import type { TemplateShape } from "../../ports/vm-driver.ts";

export interface Shape extends TemplateShape {
  /** Null: custom, which has no template and boots. */
  readonly size: Size | null;
}

/** What a request asks for. What it leaves out is the named size's, or the default size's. */
export function shapeOf(request: CreateEnvironment): Shape {
  const named = SIZES[request.size ?? DEFAULT_SIZE];
  const memoryMib = request.memoryMib ?? named.memoryMib;
  const cpus = request.cpus ?? named.cpus;
  const diskMib = request.diskMib ?? named.diskMib;
  // Exactly a size's numbers are that size, however they were said.
  const size = Size.options.find(
    (one) => SIZES[one].memoryMib === memoryMib && SIZES[one].cpus === cpus && SIZES[one].diskMib === diskMib,
  );
  return { memoryMib, cpus, diskMib, size: size ?? null };
}
