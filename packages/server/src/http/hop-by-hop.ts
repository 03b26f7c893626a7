import type { IncomingMessage } from "node:http";

/** Of one connection alone (RFC 9110, 7.6.1); each side has its own. */
export const HOP_BY_HOP = [
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
];

/** Names and values of a message's headers, as they came. */
export function* pairsOf({
  rawHeaders,
}: Pick<IncomingMessage, "rawHeaders">): Generator<readonly [name: string, value: string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) yield [rawHeaders[at] ?? "", rawHeaders[at + 1] ?? ""];
}

/** The headers that `Connection` names are of one connection alone, too. */
export const namedByConnection = (message: Pick<IncomingMessage, "headers">): Set<string> =>
  new Set((message.headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase()));
