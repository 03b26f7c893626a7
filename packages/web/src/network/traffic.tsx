import type { EnvironmentId, NetworkStatus } from "@microterm/protocol";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { client } from "../api/queries.ts";
import { FailureNote } from "../parts/failure.tsx";
import { bytesWords } from "../parts/words.ts";
import { type Look, newPerSecond } from "./connection-rate.ts";
import { Connections } from "./connections.tsx";

/** Not while the window is hidden. */
const EVERY_MS = 2000;

type Count = NonNullable<NetworkStatus["traffic"]>["sent"];

const Figure = ({ name, count }: { readonly name: string; readonly count: Count }) => (
  <div className="flex justify-between">
    <dt>{name}</dt>
    <dd className="text-muted">
      {bytesWords(count.bytes)} in {count.packets.toLocaleString("en")} {count.packets === 1 ? "packet" : "packets"}
    </dd>
  </div>
);

/** What a running environment has sent, received and connected to, followed for as long as it is shown. */
export const Traffic = ({ id }: { readonly id: EnvironmentId }) => {
  const before = useRef<Look | null>(null);
  const { data, error } = useQuery({
    queryKey: ["traffic", id],
    queryFn: async () => {
      const status = await client.environments.network(id);
      const now = { opened: status.connections?.opened ?? null, at: performance.now() };
      const rate = newPerSecond(before.current, now);
      before.current = now;
      return { ...status, rate };
    },
    refetchInterval: EVERY_MS,
    gcTime: 0,
  });
  return (
    <>
      <section className="mt-4" aria-labelledby="network-traffic">
        <h3 id="network-traffic" className="font-semibold">
          Traffic since it was started
        </h3>
        {error !== null && <FailureNote error={error} className="mt-1" />}
        {data?.traffic && (
          <dl className="mt-1">
            <Figure name="Sent" count={data.traffic.sent} />
            <Figure name="Received" count={data.traffic.received} />
          </dl>
        )}
        {data?.traffic === null && <p className="mt-1 text-muted">It is not counted here.</p>}
      </section>
      {data?.connections && <Connections counts={data.connections} rate={data.rate} />}
    </>
  );
};
