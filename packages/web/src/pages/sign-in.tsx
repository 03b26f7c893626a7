import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { client, sessionQuery } from "../api/queries.ts";
import { FailureNote } from "../parts/failure.tsx";
import { Logo } from "../parts/header.tsx";

/** The token of the link's fragment, taken out of the address and the history before anything else happens. */
const takeToken = (): string | null => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return token;
};
const initialToken = takeToken();

/** Where to go after signing in: an address of this page only, never another site's. */
const destination = (): string => {
  const to = new URLSearchParams(location.search).get("to") ?? "/";
  return /^\/e\/[\w-]+$/.test(to) ? to : "/";
};

export const SignInPage = () => {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [token, setToken] = useState(initialToken);
  const signIn = useMutation({
    mutationFn: (spent: string) => client.session.signIn(spent),
    onSuccess: async (session) => {
      cache.clear();
      cache.setQueryData(sessionQuery.queryKey, session);
      await navigate({ to: destination(), replace: true });
    },
  });
  useEffect(() => {
    if (token === null) return;
    // A link works once: taken before it is sent, so that no second render sends it again.
    setToken(null);
    signIn.mutate(token);
  }, [token, signIn]);
  useEffect(() => {
    document.title = "Sign in · microterm";
    // A new link opened in this tab changes only the fragment, which loads nothing.
    const onHash = (): void => setToken(takeToken());
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, []);
  return (
    <main className="grid h-full place-items-center p-6">
      <div className="w-[min(420px,100%)]">
        <h1 className="text-[15px]">
          <Logo />
        </h1>
        {signIn.isPending || token !== null ? (
          <p role="status" className="mt-4 text-muted">
            Signing in…
          </p>
        ) : (
          <>
            {signIn.isError && <FailureNote error={signIn.error} className="mt-4" />}
            <p className="mt-4">You sign in with a link. On the machine that runs microterm, this prints one:</p>
            <pre className="mt-3 rounded-md border border-border bg-surface px-3 py-2 font-mono select-all">./microterm open</pre>
            <p className="mt-3 text-muted">A link works once, within ten minutes.</p>
          </>
        )}
      </div>
    </main>
  );
};
