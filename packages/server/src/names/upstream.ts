import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { encode } from "dns-packet";
import type { ServerAddress } from "./host-servers.ts";
import { edns, type Question } from "./name-message.ts";
import { type Reading, readUpstream, type UpstreamAnswer } from "./upstream-answer.ts";

/** Each server is asked so often … */
const ROUNDS = 2;
/** … and given so long each time. Programs wait 5 s before they ask again (resolv.conf(5), timeout). */
const ATTEMPT_MS = 1500;
const DEADLINE_MS = 4500;
/** Messages of others than the server, or to other questions, that are looked at for one answer. */
const MAX_FOREIGN = 32;
/** A thousand addresses are 16 KB. */
const MAX_TCP_BYTES = 32_768;

/** No server has answered in time, or none would. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

export interface Upstream {
  /** Questions under way. */
  readonly active: number;
  /** Rejects with {@link NoAnswer}. */
  ask(question: Question): Promise<UpstreamAnswer>;
}

export interface UpstreamOptions {
  /** The host's name servers now, the first one asked first. */
  readonly servers: () => readonly ServerAddress[];
  readonly attemptMs?: number;
}

/** Asks the host's own name servers, as its C library would but for what that does around DNS: hosts files, search domains, mDNS. */
export function createUpstream({ servers, attemptMs = ATTEMPT_MS }: UpstreamOptions): Upstream {
  let active = 0;
  const ask = async (question: Question): Promise<UpstreamAnswer> => {
    const deadline = performance.now() + Math.min(DEADLINE_MS, 3 * attemptMs);
    let failure: unknown;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const server of servers()) {
        const left = Math.min(attemptMs, deadline - performance.now());
        if (left <= 0) throw new NoAnswer("no name server has answered in time", { cause: failure });
        const reading = await askServer(server, question, left).catch((error: unknown) => {
          failure = error;
          return null;
        });
        if (reading?.kind === "answer") return reading.answer;
      }
    }
    throw new NoAnswer("no name server answers this", { cause: failure });
  };
  return {
    get active() {
      return active;
    },
    async ask(question) {
      active += 1;
      try {
        return await ask(question);
      } finally {
        active -= 1;
      }
    },
  };
}

async function askServer(server: ServerAddress, question: Question, timeoutMs: number): Promise<Reading> {
  const reading = await askByUdp(server, question, timeoutMs);
  return reading.kind === "truncated" ? askByTcp(server, question, timeoutMs) : reading;
}

function query(question: Question): { readonly id: number; readonly bytes: Buffer } {
  const id = randomInt(0x10000);
  const questions = [{ ...question, name: question.name === "" ? "." : question.name }];
  return { id, bytes: encode({ type: "query", id, flags: 0x100, questions, additionals: [edns()] }) };
}

/** By a socket of its own, whose port the kernel chooses, connected, so that packets of others never reach it. */
function askByUdp(server: ServerAddress, question: Question, timeoutMs: number): Promise<Reading> {
  const socket = createSocket(isIPv6(server.address.split("%")[0] as string) ? "udp6" : "udp4");
  return new Promise<Reading>((resolve, reject) => {
    const timer = setTimeout(() => reject(new NoAnswer(`${server.address} has not answered`)), timeoutMs);
    const { id, bytes } = query(question);
    let foreign = 0;
    socket.on("error", reject);
    socket.on("message", (message) => {
      const reading = readUpstream(message, id, question);
      if (reading.kind !== "foreign") resolve(reading);
      else if (++foreign === MAX_FOREIGN) reject(new NoAnswer(`${server.address} answers other questions`));
    });
    // Without a callback, so that a failure is an error like any other.
    socket.once("connect", () => socket.send(bytes));
    socket.once("close", () => clearTimeout(timer));
    socket.connect(server.port, server.address);
  }).finally(() => socket.close());
}

function askByTcp(server: ServerAddress, question: Question, timeoutMs: number): Promise<Reading> {
  const socket = connect({ host: server.address, port: server.port });
  return new Promise<Reading>((resolve, reject) => {
    const timer = setTimeout(() => reject(new NoAnswer(`${server.address} has not answered by TCP`)), timeoutMs);
    const { id, bytes } = query(question);
    let received: Buffer = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("connect", () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
    });
    socket.on("data", (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (length > MAX_TCP_BYTES) reject(new NoAnswer(`${server.address} answers with ${length} bytes`));
      else if (received.length >= 2 + length) resolve(readUpstream(received.subarray(2, 2 + length), id, question));
    });
    socket.on("close", () => {
      clearTimeout(timer);
      reject(new NoAnswer(`${server.address} has ended the connection`));
    });
  }).finally(() => socket.destroy());
}
