import type { ErrorCode } from "@microterm/protocol";
import { type ReactNode, useEffect, useRef } from "react";
import { FailureBox } from "../parts/failure.tsx";

interface Refusal {
  readonly message: ReactNode;
  readonly hint: ReactNode;
}

const refusalOf = (code: ErrorCode, provider: ReactNode): Refusal => {
  switch (code) {
    case "IDENTITY_TAKEN":
      return {
        message: "Another account here signs in with this identity.",
        hint: <>Sign in with that one and unlink it there, or link another identity of {provider}.</>,
      };
    case "PROVIDER_ACCOUNT_REFUSED":
      return {
        message: <>At {provider} you are in none of the groups that this instance lets in.</>,
        hint: "Ask an admin of this instance to let you in.",
      };
    case "PROVIDER_SIGN_IN_CANCELLED":
      return { message: <>It was cancelled or refused at {provider}.</>, hint: "Nothing was changed." };
    case "PROVIDER_UNAVAILABLE":
      return { message: <>{provider} did not answer this server.</>, hint: "Try again in a moment." };
    case "PROVIDER_SIGN_IN_FAILED":
      return {
        message: <>What {provider} answered does not prove who you are.</>,
        hint: "Begin again. An admin finds the reason in the server's log.",
      };
    case "UNAUTHENTICATED":
      return { message: "The session in which you began had ended.", hint: "Begin again from here." };
    case "TOO_MANY":
      return { message: "An account has no more identities than that.", hint: "Unlink one first." };
    default:
      return { message: "The server could not do it.", hint: "Try again in a moment." };
  }
};

export interface LinkOutcomeProps {
  /** An `IdentityLinkOutcome`, or whatever else stands in the address. */
  readonly outcome: string;
  readonly provider: ReactNode;
}

/** What came of linking an identity, for somebody who comes back from the provider: it has the focus. */
export const LinkOutcome = ({ outcome, provider }: LinkOutcomeProps) => {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), []);
  const isLinked = outcome === "linked" || outcome === "linked-before";
  const { message, hint } = refusalOf(outcome as ErrorCode, provider);
  return (
    <div ref={box} tabIndex={-1} className="mb-3 outline-none">
      {isLinked ? (
        <p role="status">
          <span className="text-ok">{outcome === "linked" ? "It is linked." : "It was linked before."}</span>{" "}
          <span className="text-muted">“Continue with {provider}” on the sign-in page leads to this account.</span>
        </p>
      ) : (
        <FailureBox message={<>It is not linked. {message}</>} hint={hint} />
      )}
    </div>
  );
};
