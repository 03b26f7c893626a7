import { createSocket } from "node:dgram";
import { type DecodedPacket, decode, encode } from "dns-packet";
import { MANY_DOMAIN, MANY_PREFIX, PLACES } from "./places.ts";

const RECURSIVE = 0x180;
const NO_SUCH_NAME = 3;

let asked = 0;

function addressOf(name: string): string | undefined {
  return name.endsWith(`.${MANY_DOMAIN}`) ? `${MANY_PREFIX}.${1 + (asked++ % 254)}` : PLACES[name];
}

function answer(query: DecodedPacket): Buffer {
  const question = query.questions?.[0];
  const name = question?.name ?? "";
  const address = addressOf(name.toLowerCase());
  const flags = RECURSIVE | (address === undefined ? NO_SUCH_NAME : 0);
  const hasAnswer = address !== undefined && question?.type === "A";
  return encode({
    ...{ type: "response", id: query.id, flags, questions: query.questions },
    answers: hasAnswer ? [{ type: "A", class: "IN", name, ttl: 60, data: address }] : [],
  });
}

/** Answers for all names there are. */
export function serveNames(address: string): void {
  const socket = createSocket("udp4");
  socket.on("message", (message, { port, address: to }) => socket.send(answer(decode(message)), port, to));
  socket.bind(53, address);
}
