import { type EnvironmentId, PlatformError, TerminalId } from "@microterm/protocol";
import { toTerminal } from "../../machines/first-terminal.ts";
import type { GuestAgent } from "../../ports/guest-agent.ts";
import type { EnvironmentRow } from "../../ports/repository.ts";
import { withDeadline } from "../../time/deadline.ts";
import { agentOf, readyMachine } from "../running/guests.ts";
import { changed, type EnvironmentContext } from "../state/environment-context.ts";
import { AGENT_TIMEOUT_MS } from "../state/live-machine.ts";
import type { EnvironmentService } from "./environment-service.ts";
import { runAct } from "./guest-acts.ts";
import { requireRow } from "./lookup.ts";
import { askTerminals } from "./view.ts";

const CONSOLE_TIMEOUT_MS = 5_000;

/** What is asked of a guest, and told to it, about its terminals and its console. */
export function createTerminalActions(
  context: EnvironmentContext,
): Pick<EnvironmentService, "terminals" | "openTerminal" | "closeTerminal" | "console"> {
  const { clock, audit } = context;

  /** The next request that needs its terminals asks the guest. */
  function forgetTerminals(id: EnvironmentId): void {
    const live = context.live.get(id);
    if (live !== undefined) {
      live.knownUntil = 0;
      live.changedAt = clock.now();
    }
    context.lifetimes.note(id);
  }

  async function change<T>(
    row: EnvironmentRow,
    what: string,
    run: (agent: GuestAgent, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const error = () => new PlatformError("GUEST_UNREACHABLE", `the guest did not ${what} in time`);
    const done = await withDeadline({ clock, timeoutMs: AGENT_TIMEOUT_MS, error }, async (signal) =>
      run(await agentOf(context, row.id, { signal }), signal),
    );
    forgetTerminals(row.id);
    changed(context, row);
    return done;
  }

  return {
    async terminals(actor, reference) {
      const { id } = await requireRow(context, { actor, action: "environment.inspect", reference });
      return askTerminals(context, await readyMachine(context, id), AGENT_TIMEOUT_MS);
    },

    async openTerminal(actor, reference, { cols, rows, command, cwd }) {
      const id = TerminalId.parse(context.random.id(8));
      const program = { ...(command === undefined ? {} : { command }), ...(cwd === undefined ? {} : { cwd }) };
      const detail = { terminal: id, ...(command === undefined ? {} : { program: audit.program(command).program }) };
      const opened = await runAct(context, { actor, reference, act: { action: "terminal.opened", detail } }, (row) =>
        change(row, "open a terminal", (agent, signal) =>
          agent.openTerminal({ id, cols, rows, ...program }, { signal }),
        ),
      );
      return toTerminal(opened);
    },

    closeTerminal: (actor, reference, terminal) =>
      runAct(context, { actor, reference, act: { action: "terminal.closed", detail: { terminal } } }, (row) =>
        change(row, "close the terminal", (agent, signal) => agent.closeTerminal(terminal, { signal })),
      ),

    async console(actor, reference) {
      const { id } = await requireRow(context, { actor, action: "environment.inspect", reference });
      const live = context.live.get(id);
      if (live === undefined) return (await context.consoles.find(id)) ?? new Uint8Array();
      const error = () => new PlatformError("GUEST_UNREACHABLE", "the console could not be read in time");
      return withDeadline({ clock, timeoutMs: CONSOLE_TIMEOUT_MS, error }, () => live.machine.console());
    },
  };
}
