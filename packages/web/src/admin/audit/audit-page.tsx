import type { AuditFilter } from "@microterm/protocol";
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { administration } from "../../api/administration.ts";
import { useIsAdmin } from "../../parts/account/use-account.ts";
import { Button } from "../../parts/button.tsx";
import { FailureNote } from "../../parts/failure.tsx";
import { saveAnswer } from "../../parts/save-answer.ts";
import { Section } from "../../parts/sheet.tsx";
import { AdminFrame } from "../admin-frame.tsx";
import { EntryTable } from "./entry-table.tsx";
import { FilterForm } from "./filter-form.tsx";

const PAGE = 50;

const useEntries = (filter: AuditFilter) =>
  useInfiniteQuery({
    queryKey: ["audit", filter],
    queryFn: ({ pageParam }) =>
      administration.audit.page(filter, { limit: PAGE, ...(pageParam !== null && { cursor: pageParam }) }),
    initialPageParam: null as string | null,
    getNextPageParam: ({ cursor }) => cursor,
    staleTime: 0,
  });

const Log = () => {
  const [filter, setFilter] = useState<AuditFilter>({});
  const log = useEntries(filter);
  const download = useMutation({
    mutationFn: async () => saveAnswer(await administration.audit.export(filter), "audit.jsonl"),
  });
  const entries = log.data?.pages.flatMap((page) => page.entries) ?? [];
  const failed = [download, log].find(({ isError }) => isError);
  return (
    <Section
      title="Audit log"
      words="Who did what, to which, from where and with what outcome. Nothing of it can be changed."
      actions={
        <>
          <Button needsServer busy={log.isFetching ? "Looking…" : null} onClick={() => void log.refetch()}>
            Look again
          </Button>
          <Button
            needsServer
            busy={download.isPending ? "Exporting…" : null}
            title="As a line of JSON for each entry that the filter leaves"
            onClick={() => download.mutate()}
          >
            Export
          </Button>
        </>
      }
    >
      <FilterForm onFilter={setFilter} />
      <div className="mt-4 grid gap-3">
        {failed && <FailureNote error={failed.error} />}
        {log.isPending && (
          <p role="status" className="text-muted">
            Loading entries…
          </p>
        )}
        {log.isSuccess && entries.length === 0 && <p className="text-muted">There are no such entries.</p>}
        {entries.length > 0 && <EntryTable entries={entries} />}
        {log.hasNextPage && (
          <Button
            needsServer
            className="justify-self-center"
            busy={log.isFetchingNextPage ? "Loading…" : null}
            onClick={() => void log.fetchNextPage()}
          >
            Older entries
          </Button>
        )}
      </div>
    </Section>
  );
};

/** Who did what. */
export const AuditPage = () => <AdminFrame title="Audit">{useIsAdmin() && <Log />}</AdminFrame>;
