import { useQuery } from "@tanstack/react-query";
import { administration } from "../../api/administration.ts";
import { useIsAdmin } from "../../parts/account/use-account.ts";
import { FailureNote } from "../../parts/failure.tsx";
import { Section } from "../../parts/sheet.tsx";
import { AdminFrame } from "../admin-frame.tsx";
import { EnvironmentTable } from "./environment-table.tsx";
import { HostLoad } from "./host-load.tsx";
import { ENVIRONMENTS_KEY } from "./keys.ts";

/** The event stream tells of one's own alone. */
const LOOK_MS = 5000;

const All = () => {
  const environments = useQuery({
    queryKey: ENVIRONMENTS_KEY,
    queryFn: () => administration.admin.environments(),
    staleTime: 0,
    refetchInterval: LOOK_MS,
  });
  return (
    <Section
      title="Environments"
      words="Of all accounts. What is in one is its owner's: who looks into a terminal is shown to them."
    >
      {environments.isError && <FailureNote error={environments.error} className="mb-3" />}
      {environments.isPending && (
        <p role="status" className="text-muted">
          Loading environments…
        </p>
      )}
      {environments.data?.length === 0 && <p className="text-muted">Nobody has an environment.</p>}
      {environments.data && environments.data.length > 0 && <EnvironmentTable environments={environments.data} />}
    </Section>
  );
};

/** All that runs on this server, and how the host is doing. */
export const AdminEnvironmentsPage = () => (
  <AdminFrame title="Environments">
    {useIsAdmin() && (
      <>
        <HostLoad />
        <All />
      </>
    )}
  </AdminFrame>
);
