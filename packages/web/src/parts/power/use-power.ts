/** Pause, resume, stop and start of an environment. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { client, hostQuery } from "../../api/queries.ts";

/** False where the server's driver keeps no memory, null while that is not known. */
export const useCanPause = (): boolean | null => {
  const host = useQuery(hostQuery);
  return host.data ? host.data.templates.some(({ state }) => state !== "unsupported") : null;
};

export const usePower = (id: string) => ({
  start: useMutation({ mutationFn: () => client.environments.start(id) }),
  stop: useMutation({ mutationFn: () => client.environments.stop(id) }),
  pause: useMutation({ mutationFn: () => client.environments.pause(id) }),
  resume: useMutation({ mutationFn: () => client.environments.resume(id) }),
});
