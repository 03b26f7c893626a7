import type { Environment, Terminal } from "@microterm/protocol";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { client } from "../../api/queries.ts";

/** What a terminal has until the window that shows it has reported its own size. */
const SIZE = { cols: 80, rows: 24 };

const byAge = (a: Terminal, b: Terminal): number =>
  a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id, undefined, { numeric: true });

/** The oldest live terminal, as `attach` of the command line takes it; else the newest that has ended. */
const defaultTerminal = (terminals: readonly Terminal[]): Terminal | undefined =>
  terminals.find((one) => one.exit === null) ?? terminals.at(-1);

/** The neighbour of the one that is removed. */
const neighbour = (terminals: readonly Terminal[], id: string): string | null => {
  const at = terminals.findIndex((one) => one.id === id);
  return (terminals[at + 1] ?? terminals[at - 1])?.id ?? null;
};

/** Not while it is on its way to rest: its terminals are released then, and its machine answers nothing. */
export const isAttachable = ({ state, operation }: Environment): boolean => state === "running" && operation === null;

/** The terminals of a running environment, oldest first, and the one that is looked at, which the address names. */
export const useTerminals = (environment: Environment) => {
  const { id } = environment;
  const cache = useQueryClient();
  const navigate = useNavigate();
  const { terminal: named } = useSearch({ from: "/signed-in/e/$id" });
  const key = useMemo(() => ["terminals", id], [id]);
  const isThere = isAttachable(environment);
  const query = useQuery({
    queryKey: key,
    queryFn: async () => {
      const terminals = await client.terminals.list(id);
      return terminals.length > 0 ? terminals : [await client.terminals.create(id, SIZE)];
    },
    // What the list of environments says may be a moment old: enough to attach to, while this question is under way.
    ...(environment.terminals.length > 0 && { initialData: environment.terminals }),
    staleTime: 0,
    enabled: isThere,
    refetchOnWindowFocus: true,
  });
  const listed = environment.terminals.map((one) => `${one.id} ${one.createdAt} ${one.exit !== null}`).join();
  // Asked again exactly when the list of environments says otherwise than when it was asked first.
  const lastListed = useRef(listed);
  useEffect(() => {
    if (!isThere || lastListed.current === listed) return;
    lastListed.current = listed;
    void cache.invalidateQueries({ queryKey: key });
  }, [listed, isThere, cache, key]);

  const terminals = useMemo(() => (query.data ?? []).toSorted(byAge), [query.data]);
  const [chosen, setChosen] = useState<string | null>(named ?? null);
  const current = terminals.find((one) => one.id === chosen) ?? defaultTerminal(terminals);
  const currentId = current?.id ?? null;
  const choose = useCallback(
    (terminal: string | null) => {
      setChosen(terminal);
      const search = terminal === null ? {} : { terminal };
      void navigate({ to: "/e/$id", params: { id }, search, replace: true });
    },
    [navigate, id],
  );
  // What is looked at stays, whatever ends or comes meanwhile.
  useEffect(() => setChosen(currentId), [currentId]);

  const change = (next: (list: readonly Terminal[]) => readonly Terminal[]): void => {
    cache.setQueryData<readonly Terminal[]>(key, (list) => next(list ?? []));
  };
  const add = useMutation({
    mutationFn: () => client.terminals.create(id, SIZE),
    onSuccess: (made) => {
      change((list) => [...list.filter((one) => one.id !== made.id), made]);
      choose(made.id);
    },
  });
  const remove = useMutation({
    mutationFn: (ended: string) => client.terminals.remove(id, ended),
    onSettled: (_, __, ended) => {
      if (ended === currentId) choose(neighbour(terminals, ended));
      change((list) => list.filter((one) => one.id !== ended));
      void cache.invalidateQueries({ queryKey: key });
    },
  });
  /** Another one in the place of one that has ended. */
  const replace = useMutation({
    mutationFn: async (ended: string) => {
      const made = await client.terminals.create(id, SIZE);
      // It may be gone with its guest already.
      await client.terminals.remove(id, ended).catch(() => undefined);
      return made;
    },
    onSuccess: (made, ended) => {
      change((list) => [...list.filter((one) => one.id !== ended), made]);
      choose(made.id);
    },
  });
  return { query, terminals, current, choose, add, remove, replace };
};
