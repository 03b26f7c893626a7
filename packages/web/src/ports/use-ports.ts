import { useEffect, useState } from "react";
import { client } from "../api/queries.ts";
import { type KnownPorts, NOTHING_KNOWN, withList } from "./with-list.ts";

/** What listens in an environment that runs. */
export const usePorts = (environment: string): KnownPorts => {
  const [known, setKnown] = useState<KnownPorts>(NOTHING_KNOWN);
  useEffect(() => {
    const close = client.previews.followPorts(environment, {
      onPorts: (list) => setKnown((before) => withList(before, list)),
      onLost: () => setKnown((before) => ({ ...before, list: null })),
      onUnsupported: () => setKnown({ ...NOTHING_KNOWN, isUnsupported: true }),
    });
    return () => {
      close();
      setKnown(NOTHING_KNOWN);
    };
  }, [environment]);
  return known;
};
