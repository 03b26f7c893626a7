import type { Abortable, GuestAgent } from "@microterm/core";
import {
  AgentEntries,
  AgentEntry,
  Extracted,
  MAX_ENTRIES_BYTES,
  MAX_EXTRACTED_BYTES,
  Nothing,
  toFileEntry,
} from "./agent-answers.ts";
import { refusalOf } from "./agent-errors.ts";
import { readBody, writeBody } from "./byte-bodies.ts";
import { type AgentCall, callJson, guestProtocol, openCall, readJson, startCall } from "./channel/agent-call.ts";
import type { GuestSession } from "./channel/guest-session.ts";

const CALL_MS = 15_000;
/** An upload is answered once it is on the guest's disk; a removal of a large tree takes as long. */
const DISK_MS = 120_000;

type GuestFiles = Pick<
  GuestAgent,
  "stat" | "list" | "read" | "write" | "makeDirectory" | "removeFile" | "readTar" | "writeTar"
>;

/** The file calls of an agent. */
export function createAgentFiles(session: GuestSession, protocol: number): GuestFiles {
  const file = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw refusalOf(error, "file");
    }
  };
  const json = <T>(
    call: Omit<AgentCall, "timeoutMs">,
    schema: Parameters<typeof callJson<T>>[2],
    timeoutMs = CALL_MS,
  ) => file(() => callJson(session, { ...call, timeoutMs }, schema, MAX_ENTRIES_BYTES));
  const upload = <T>(
    call: Omit<AgentCall, "timeoutMs" | "method">,
    body: AsyncIterable<Uint8Array>,
    schema: Parameters<typeof readJson<T>>[1],
  ) =>
    file(async () => {
      const limits = { timeoutMs: DISK_MS, signal: call.signal };
      const { stream, answer } = startCall(session, { ...call, ...limits, method: "PUT", isStreaming: true });
      return await writeBody(session, stream, body, readJson(answer, schema, MAX_EXTRACTED_BYTES), limits);
    });
  const signalOf = (options?: Abortable) => ({ signal: options?.signal });

  return {
    stat: async (path, options) =>
      toFileEntry(
        await json({ method: "GET", path: "/v1/files/stat", query: { path }, ...signalOf(options) }, AgentEntry),
      ),
    list: async (path, options) => {
      const call = { method: "GET", path: "/v1/files/list", query: { path }, ...signalOf(options) } as const;
      const { entries, truncated } = await json(call, AgentEntries);
      return { entries: entries.map(toFileEntry), truncated };
    },
    read: (path, options) =>
      file(async () => {
        const call = { method: "GET", path: "/v1/files/content", query: { path }, ...signalOf(options) } as const;
        const { stream, headers } = await openCall(session, { ...call, timeoutMs: CALL_MS });
        const size = sizeOf(headers["content-length"]);
        return { size, body: readBody(stream, size, options?.signal) };
      }),
    write: async (path, body, options) => {
      const mode = options?.mode === undefined ? undefined : `0${(options.mode & 0o7777).toString(8)}`;
      // An agent of an older version refuses what it does not know.
      const mtime = protocol < 3 ? undefined : options?.modifiedUnixMs?.toString();
      const call = { path: "/v1/files/content", query: { path, mode, mtime }, ...signalOf(options) };
      return toFileEntry(await upload(call, body, AgentEntry));
    },
    makeDirectory: async (path, options) =>
      toFileEntry(
        await json({ method: "POST", path: "/v1/files/mkdir", query: { path }, ...signalOf(options) }, AgentEntry),
      ),
    removeFile: async (path, options) => {
      const query = { path, recursive: options?.recursive === true ? "1" : undefined };
      await json({ method: "DELETE", path: "/v1/files", query, ...signalOf(options) }, Nothing, DISK_MS);
    },
    readTar: (path, options) =>
      file(async () => {
        const call = { method: "GET", path: "/v1/files/tar", query: { path }, ...signalOf(options) } as const;
        const { stream } = await openCall(session, { ...call, timeoutMs: CALL_MS });
        return readBody(stream, null, options?.signal);
      }),
    writeTar: (path, body, options) =>
      upload({ path: "/v1/files/tar", query: { path }, ...signalOf(options) }, body, Extracted),
  };
}

function sizeOf(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (!/^[0-9]{1,15}$/.test(header)) throw guestProtocol("sent an invalid content-length");
  return Number(header);
}
