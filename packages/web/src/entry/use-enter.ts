import type { NewSession, Session } from "@microterm/protocol";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { sessionQuery } from "../api/queries.ts";
import { keepSessionKey } from "../api/session-key.ts";
import { forgetScreens } from "../terminal/screens/kept-screens.ts";

export const sessionOf = ({ account, version }: NewSession): Session => ({
  account,
  version,
  via: "session",
  scopes: null,
});

/** Begins a session on this page, of which nothing of a session before is left, and goes to `to`. */
export const useEnter = (to: string): ((session: NewSession) => Promise<void>) => {
  const cache = useQueryClient();
  const navigate = useNavigate();
  return async (session) => {
    keepSessionKey(session.key);
    forgetScreens(sessionStorage);
    cache.clear();
    cache.setQueryData(sessionQuery.queryKey, sessionOf(session));
    await navigate({ href: to, replace: true });
  };
};
