import { useQuery } from "@tanstack/react-query";
import { client } from "../../api/queries.ts";
import { FailureNote } from "../failure.tsx";
import { plainLines } from "./plain-lines.ts";

/** The serial console's last words. They are a guest's bytes: shown as text, without their control sequences. */
export const Logs = ({ environment }: { readonly environment: string }) => {
  const logs = useQuery({
    queryKey: ["logs", environment],
    queryFn: async ({ signal }) => (await client.environments.logs(environment, { signal })).text(),
    staleTime: 0,
  });
  const text = plainLines(logs.data ?? "");
  return (
    <section aria-label="Logs" className="mt-5 flex min-h-0 flex-col">
      <h2 className="text-muted font-normal">Last lines of its console</h2>
      {logs.isError && <FailureNote error={logs.error} className="mt-2" />}
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
        tabIndex={0}
        className="mt-2 min-h-24 overflow-auto rounded-md border border-border bg-terminal p-3 font-mono text-xs"
      >
        {logs.isPending ? "Loading…" : text === "" ? "It printed nothing." : text}
      </pre>
    </section>
  );
};
