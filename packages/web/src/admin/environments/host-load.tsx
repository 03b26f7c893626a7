import type { AdminHost } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { FailureNote } from "../../parts/failure.tsx";
import { Section } from "../../parts/sheet.tsx";

const LOOK_MS = 5000;

const gib = (mib: number): string => `${(mib / 1024).toFixed(1)} GiB`;

/** Label, what is in use, and what is promised beyond that. */
const factsOf = ({
  load,
  cpus,
  memory,
  disk,
  machines,
  pool,
}: AdminHost): readonly (readonly [string, string, string])[] => [
  [
    "Load",
    [load.one, load.five, load.fifteen].map((average) => average.toFixed(2)).join(" · "),
    "over 1, 5 and 15 min",
  ],
  ["CPUs", `${cpus.total}`, `${cpus.promised} of ${Number(cpus.limit.toFixed(1))} promised`],
  [
    "Memory",
    `${gib(memory.availableMib)} of ${gib(memory.totalMib)} free`,
    `${gib(memory.promisedMib)} of ${gib(memory.limitMib)} promised`,
  ],
  ["Disk", `${gib(disk.freeMib)} of ${gib(disk.totalMib)} free`, `${gib(disk.promisedMib)} promised, not written`],
  ["Running", `${machines.count}`, `${gib(machines.memoryBytes / 2 ** 20)} of memory, ${machines.processes} processes`],
  ["Ready ahead", `${pool.ready} of ${pool.wanted}`, pool.reason ?? "claimed by no one yet"],
];

/** How the host is doing. */
export const HostLoad = () => {
  const host = useQuery({
    queryKey: ["admin", "host"],
    queryFn: () => administration.admin.host(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  return (
    <Section title="Host">
      {host.isError && <FailureNote error={host.error} />}
      {host.isPending && (
        <p role="status" className="text-muted">
          Loading…
        </p>
      )}
      {host.data && (
        <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-6">
          {factsOf(host.data).map(([label, value, more]) => (
            <div key={label} className="rounded-md border border-border px-3 py-2">
              <dt className="text-muted">{label}</dt>
              <dd className="font-medium tabular-nums">{value}</dd>
              <dd className="text-xs text-muted">{more}</dd>
            </div>
          ))}
        </dl>
      )}
    </Section>
  );
};
