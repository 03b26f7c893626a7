import { InvitationTerms, NewSession, Session, SignInWays } from "@microterm/protocol";
import type { Transport } from "../transport.ts";

/** Coming in and going out. What signs in sets a cookie, and answers with the key that a page has to send with each request. */
export interface SessionCalls {
  /** By which ways one can sign in. */
  ways(): Promise<SignInWays>;
  /** Spends a one-time sign-in token. */
  signIn(token: string): Promise<NewSession>;
  signInByPassword(name: string, password: string): Promise<NewSession>;
  /** What an invitation is for; uses nothing up. */
  lookAtInvitation(code: string): Promise<InvitationTerms>;
  acceptInvitation(given: { code: string; name: string; password: string }): Promise<NewSession>;
  acceptReset(given: { code: string; password: string }): Promise<NewSession>;
  current(): Promise<Session>;
  signOut(): Promise<void>;
}

export function createSessionCalls(transport: Transport): SessionCalls {
  const enter = (path: string, json: unknown) => transport.json(NewSession, path, { method: "POST", json });
  return {
    ways: () => transport.json(SignInWays, "/v1/sign-in"),
    signIn: (token) => enter("/v1/session", { token }),
    signInByPassword: (name, password) => enter("/v1/session", { name, password }),
    lookAtInvitation: (code) =>
      transport.json(InvitationTerms, "/v1/invitations/look", { method: "POST", json: { code } }),
    acceptInvitation: (given) => enter("/v1/invitations/accept", given),
    acceptReset: (given) => enter("/v1/resets/accept", given),
    current: () => transport.json(Session, "/v1/session"),
    signOut: () => transport.done("/v1/session", { method: "DELETE" }),
  };
}
