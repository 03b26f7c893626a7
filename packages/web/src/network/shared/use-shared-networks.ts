import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { client, environmentsQuery } from "../../api/queries.ts";

/** Networks without members are made and removed without an event. Not while the window is hidden. */
const EVERY_MS = 5000;
/** Events come in bursts: all environments at once after a reconnect. */
const BURST_MS = 50;

const networksQuery = queryOptions({
  queryKey: ["networks"],
  queryFn: () => client.networks.list(),
  refetchInterval: EVERY_MS,
  gcTime: 0,
});

/** The owner's networks. Who joins or leaves one, starts or ends is an event of an environment. */
export function useSharedNetworks() {
  const { dataUpdatedAt } = useQuery(environmentsQuery);
  const networks = useQuery(networksQuery);
  const { refetch } = networks;
  const seen = useRef(dataUpdatedAt);
  useEffect(() => {
    if (seen.current === dataUpdatedAt) return;
    const timer = setTimeout(() => {
      seen.current = dataUpdatedAt;
      void refetch();
    }, BURST_MS);
    return () => clearTimeout(timer);
  }, [dataUpdatedAt, refetch]);
  return networks;
}
