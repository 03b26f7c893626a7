import type { AcceptedShare, CreatedShare, NewShare, TerminalId } from "@microterm/protocol";
import { cookieOf } from "./preview-client.ts";
import type { Answer, TestServer } from "./server.ts";
import { TerminalClient, type TerminalClientOptions } from "./terminal-client.ts";

/** Makes a share of an environment's terminal, as the data folder's owner. */
export const share = (server: TestServer, environment: string, terminal: string, wish: NewShare = {}) =>
  server.ok("POST", `/v1/environments/${environment}/terminals/${terminal}/shares`, wish) as Promise<CreatedShare>;

export const codeOf = ({ path }: Pick<CreatedShare, "path">): string => path?.split("#")[1] ?? "";

/** What one who was let in sends, and by what grant. */
export interface LetIn {
  readonly grant: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly accepted: AcceptedShare;
}

/** Accepts a link: as an account with its token, or as a browser without one. */
export async function accept(
  server: TestServer,
  code: string,
  who: { readonly token?: string; readonly name?: string; readonly headers?: LetIn["headers"] } = {},
): Promise<LetIn> {
  const body = { code, ...(who.name === undefined ? {} : { name: who.name }) };
  const bearer = who.token === undefined ? {} : { authorization: `Bearer ${who.token}` };
  const headers = { ...bearer, ...who.headers };
  const answer = await server.call("POST", "/v1/shares/accept", { token: null, body, headers });
  if (answer.status !== 200) throw new Refused(answer);
  const accepted: AcceptedShare = answer.json;
  if (accepted.key === null) return { grant: accepted.id, headers, accepted };
  const origin = `http://127.0.0.1:${server.port}`;
  const browser = { cookie: cookieOf(answer), "x-microterm-share": accepted.key, origin };
  return { grant: accepted.id, headers: browser, accepted };
}

/** The server's refusal. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor({ status, json, text }: Answer) {
    super(`${status} ${text}`);
    this.status = status;
    this.code = json?.code;
  }
}

/** A terminal with a program of its own, whose bytes are the test's. */
export async function openTerminal(server: TestServer, environment: string, script?: string): Promise<TerminalId> {
  const command = script === undefined ? {} : { command: ["sh", "-c", script] };
  return (await server.ok("POST", `/v1/environments/${environment}/terminals`, { cols: 80, rows: 24, ...command })).id;
}

/** A connection by a grant: a screen as it is, then output. */
export function look(
  server: TestServer,
  { grant, headers }: LetIn,
  options: TerminalClientOptions = {},
): TerminalClient {
  return new TerminalClient(server, "", "", { from: null, presence: true, ...options, grant, headers });
}
