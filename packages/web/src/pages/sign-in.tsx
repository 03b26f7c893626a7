import { RequestError } from "@microterm/sdk";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { client } from "../api/queries.ts";
import { Frame } from "../entry/frame.tsx";
import { hasLinkToken, takeLinkToken } from "../entry/link-token.ts";
import { LinkWay, ProviderButton } from "../entry/other-ways.tsx";
import { ownPath } from "../entry/own-path.ts";
import { PasswordForm } from "../entry/password-form.tsx";
import { useEnter } from "../entry/use-enter.ts";
import { FailureNote } from "../parts/failure.tsx";

/** A link that lost its end on the way is refused as a request without sense. */
const refusal = (error: Error): Error =>
  error instanceof RequestError && error.code === "BAD_REQUEST"
    ? new Error("This link is not whole. Copy all of it, or print another one.")
    : error;

const Ways = ({ to }: { readonly to: string }) => {
  const enter = useEnter(to);
  const ways = useQuery({ queryKey: ["sign-in"], queryFn: () => client.session.ways() });
  const { password, oidc } = ways.data ?? { password: false, oidc: null };
  return (
    <>
      {(ways.isPending || ways.failureCount > 0) && !ways.data && !ways.isError && (
        <p role="status" className="late mt-4 text-muted">
          {ways.failureCount > 0 ? "The microterm server does not answer. Trying again…" : "Loading…"}
        </p>
      )}
      {ways.isError && <FailureNote error={ways.error} className="mt-4" />}
      {oidc && <ProviderButton provider={oidc} to={to} />}
      {password && <PasswordForm name={null} onEntered={enter} />}
      {ways.data && <LinkWay isAlone={!password && oidc === null} />}
    </>
  );
};

export const SignInPage = () => {
  const to = useRef(ownPath(new URLSearchParams(location.search).get("to"))).current;
  const enter = useEnter(to);
  const [isFirst, setFirst] = useState(hasLinkToken);
  const signIn = useMutation({
    mutationFn: async (token: string) => enter(await client.session.signIn(token)),
  });
  const { mutate } = signIn;
  useEffect(() => {
    const spend = (): void => {
      const token = takeLinkToken();
      setFirst(false);
      if (token !== null) mutate(token);
    };
    spend();
    // A new link opened in this tab changes only the fragment, which loads nothing.
    addEventListener("hashchange", spend);
    return () => removeEventListener("hashchange", spend);
  }, [mutate]);
  return (
    <Frame title="Sign in">
      {signIn.isPending || isFirst ? (
        <p role="status" className="mt-4 text-muted">
          Signing in…
        </p>
      ) : (
        <>
          {signIn.isError && <FailureNote error={refusal(signIn.error)} className="mt-4" />}
          <Ways to={to} />
        </>
      )}
    </Frame>
  );
};
