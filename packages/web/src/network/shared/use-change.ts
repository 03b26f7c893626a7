import { useMutation } from "@tanstack/react-query";

/** Begins a change, with what is said while it is under way. Not while another one is. */
export type Run = (words: string, act: () => Promise<unknown>) => void;

interface Change {
  readonly words: string;
  readonly act: () => Promise<unknown>;
}

/** Changes of shared networks, one at a time. `onBegun`: what was pressed is gone once it holds. */
export function useChange(refetch: () => Promise<unknown>, onBegun: () => void) {
  const { isPending, variables, error, mutate } = useMutation({
    mutationFn: ({ act }: Change) => act(),
    // Also where it failed: a network may have been made and not joined.
    onSettled: () => refetch(),
  });
  const run: Run = (words, act) => {
    if (isPending) return;
    onBegun();
    mutate({ words, act });
  };
  return { run, error, words: isPending ? variables.words : null };
}
