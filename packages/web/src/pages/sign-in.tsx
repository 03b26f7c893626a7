import { RequestError } from "@microterm/sdk";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { client, sessionQuery } from "../api/queries.ts";
import { keepSessionKey } from "../api/session-key.ts";
import { FailureNote } from "../parts/failure.tsx";
import { Logo } from "../parts/header.tsx";

/** The token of the link's fragment, taken out of the address and the history before anything else happens. */
const takeToken = (): string | null => {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return token;
};
let waitingToken = takeToken();

/** Where to go after signing in: an address of this page only, never another site's. */
const destination = (): string => {
  const to = new URLSearchParams(location.search).get("to") ?? "/";
  return /^\/e\/[\w-]+$/.test(to) ? to : "/";
};

/** A link that lost its end on the way is refused as a request without sense. */
const refusal = (error: Error): Error =>
  error instanceof RequestError && error.code === "BAD_REQUEST"
    ? new Error("This link is not whole. Copy all of it, or print another one.")
    : error;

export const SignInPage = () => {
  const cache = useQueryClient();
  const navigate = useNavigate();
  const [isFirst, setFirst] = useState(waitingToken !== null);
  const signIn = useMutation({
    mutationFn: (spent: string) => client.session.signIn(spent),
    onSuccess: async ({ key, ...session }) => {
      keepSessionKey(key);
      cache.clear();
      cache.setQueryData(sessionQuery.queryKey, session);
      await navigate({ to: destination(), replace: true });
    },
  });
  const { mutate } = signIn;
  useEffect(() => {
    document.title = "Sign in · microterm";
    const spend = (): void => {
      // A link works once: forgotten before it is sent, so that nothing sends it again.
      const token = waitingToken;
      waitingToken = null;
      setFirst(false);
      if (token !== null) mutate(token);
    };
    // A new link opened in this tab changes only the fragment, which loads nothing.
    const onHash = (): void => {
      waitingToken = takeToken();
      spend();
    };
    spend();
    addEventListener("hashchange", onHash);
    return () => removeEventListener("hashchange", onHash);
  }, [mutate]);
  return (
    <main className="grid h-full place-items-center p-6">
      <div className="w-[min(420px,100%)]">
        <h1 className="text-[15px]">
          <Logo />
        </h1>
        {signIn.isPending || isFirst ? (
          <p role="status" className="mt-4 text-muted">
            Signing in…
          </p>
        ) : (
          <>
            {signIn.isError && <FailureNote error={refusal(signIn.error)} className="mt-4" />}
            <p className="mt-4">You sign in with a link. On the machine that runs microterm, this prints one:</p>
            <pre className="mt-3 rounded-md border border-border bg-surface px-3 py-2 font-mono select-all">
              ./microterm open
            </pre>
            <p className="mt-3 text-muted">A link works once, within ten minutes.</p>
          </>
        )}
      </div>
    </main>
  );
};
