import {
  type Appearance,
  AttendedTerminal,
  type CreateTerminal,
  ExecFailure,
  type ExecRequest,
  HostStatus,
  PlatformError,
  Recording,
  Session,
  SignInLink,
  Terminal,
  TerminalExit,
} from "@microterm/protocol";
import { z } from "zod";
import { createSessionCalls, type SessionCalls } from "./accounts/session-calls.ts";
import { Attachment } from "./attachment.ts";
import type { AttachmentHandlers, Size } from "./attachment-options.ts";
import type { Timing } from "./backoff.ts";
import { createEnvironments, type Environments, environmentPath } from "./environments.ts";
import { RequestError } from "./errors.ts";
import { type EventHandlers, followEvents, type Subscription } from "./events.ts";
import { type ExecOptions, type ExecSession, startExec } from "./exec.ts";
import { createFiles, type Files } from "./files.ts";
import { createNetworks, type Networks } from "./networks/networks.ts";
import { createPreviews, type Previews } from "./previews/previews.ts";
import { createSharing, type Sharing } from "./sharing/sharing.ts";
import { type OpenSocket, openGlobalSocket } from "./socket.ts";
import { createTransport, type Fetch } from "./transport.ts";

const Terminals = z.strictObject({ terminals: z.array(AttendedTerminal) });
/** The answer of `POST …/exec`. */
const RunResult = z.union([
  z.strictObject({
    exit: TerminalExit.nullable(),
    stdout: z.string(),
    stderr: z.string(),
    truncated: z.boolean(),
    timedOut: z.boolean(),
  }),
  z.strictObject({ failure: ExecFailure }),
]);
export type RunResult = z.infer<typeof RunResult>;

/** Errors after which trying again cannot help an attachment. */
const FINAL = new Set<string>([
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "FORBIDDEN_ORIGIN",
  "FORBIDDEN_HOST",
  "ENVIRONMENT_NOT_FOUND",
  "TERMINAL_NOT_FOUND",
  "ENVIRONMENT_STATE",
]);

export interface ClientOptions {
  /** `http://127.0.0.1:7681`; empty in a page that comes from the server itself. */
  readonly url: string;
  /** A bearer token. Without one the browser's session cookie is the credential. */
  readonly token?: string;
  readonly fetch?: Fetch;
  /** How WebSockets are opened, e.g. with the `ws` package, which can hold back a sender. */
  readonly openSocket?: OpenSocket;
  readonly timing?: Timing;
}

export interface AttachRequest extends AttachmentHandlers {
  readonly environment: string;
  readonly terminal: string;
  /** Continue at this byte, as {@link Attachment.offset} gave it; none: with a keyframe of the screen as it is. */
  readonly from?: bigint | null;
  /** This client's size. */
  readonly size?: Size | null;
  readonly role?: "owner" | "viewer";
  /** A refused credential is no end: the person who typed may sign in again. */
  readonly awaitsSignIn?: boolean;
  /** This client's colours. */
  readonly appearance?: Appearance;
}

export interface SharedAttachRequest extends Omit<AttachRequest, "environment" | "terminal"> {
  readonly grant: string;
}

/** What a person may do over HTTP, typed. Methods throw RequestError, ConnectionError or AnswerError. */
export interface Client {
  readonly url: string;
  readonly environments: Environments;
  readonly files: Files;
  readonly session: SessionCalls;
  readonly terminals: {
    /** With who is at them. */
    list(environment: string): Promise<AttendedTerminal[]>;
    create(environment: string, wish: Partial<CreateTerminal>): Promise<Terminal>;
    remove(environment: string, terminal: string): Promise<void>;
  };
  /** Of a terminal, as asciicast v3. */
  readonly recordings: {
    get(environment: string, terminal: string): Promise<Recording>;
    /** Begins, or goes on, or ends; what is there is kept. */
    set(environment: string, terminal: string, enabled: boolean): Promise<Recording>;
    /** The file, as far as it has come. */
    download(environment: string, terminal: string, options?: { readonly signal?: AbortSignal }): Promise<Response>;
    remove(environment: string, terminal: string): Promise<void>;
  };
  readonly networks: Networks;
  readonly previews: Previews;
  readonly sharing: Sharing;
  /** For the data folder's own account, or the one that is named. Needs the data folder's token. */
  createLink(account?: string): Promise<SignInLink>;
  host(): Promise<HostStatus>;
  /**
   * Runs a command to its end, or to `timeoutMs`, when it is killed and `timedOut` says so; `exit` is null where the guest has
   * not told its end. Output above 1 MiB a stream is cut.
   */
  run(
    environment: string,
    request: Omit<ExecRequest, "tty"> & { readonly stdin?: string; readonly timeoutMs?: number },
  ): Promise<RunResult>;
  /** Runs a command with live streams. */
  exec(
    environment: string,
    options: Pick<ExecOptions, "request" | "onStdout" | "onStderr"> & Partial<Pick<ExecOptions, "onStarted">>,
  ): ExecSession;
  attachTerminal(request: AttachRequest): Attachment;
  /** To a terminal that is shared with the one who asks. Nothing that its output asks for but drawing may act here. */
  attachShared(request: SharedAttachRequest): Attachment;
  followEvents(handlers: EventHandlers): Subscription;
}

function finalOrNull(error: unknown): Error | null {
  return error instanceof RequestError && FINAL.has(error.code) ? error : null;
}

export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options);
  const openSocket = options.openSocket ?? openGlobalSocket;
  const timing = options.timing === undefined ? {} : { timing: options.timing };
  const terminalsOf = (environment: string) => `${environmentPath(environment)}/terminals`;
  const recordingOf = (environment: string, terminal: string) =>
    `${terminalsOf(environment)}/${encodeURIComponent(terminal)}/recording`;
  const listTerminals = async (environment: string) =>
    (await transport.json(Terminals, terminalsOf(environment))).terminals;

  /** Why a WebSocket for an environment would be refused; null when that is not known or passes. */
  const diagnose = async (environment: string, terminal?: string): Promise<Error | null> => {
    try {
      const terminals = await listTerminals(environment);
      if (terminal === undefined || terminals.some(({ id }) => id === terminal)) return null;
      return new PlatformError("TERMINAL_NOT_FOUND", `Terminal ${terminal} is not there any more.`);
    } catch (error) {
      return finalOrNull(error);
    }
  };

  const sharing = createSharing(transport);
  /** Why it would be refused that a shared terminal is looked at; null when that is not known or passes. */
  const diagnoseShared = async (grant: string): Promise<Error | null> => {
    try {
      if ((await sharing.shared()).some(({ id }) => id === grant)) return null;
      return new PlatformError("NOT_FOUND", "This terminal is not shared with you any more.");
    } catch (error) {
      return finalOrNull(error);
    }
  };

  return {
    url: transport.url,
    environments: createEnvironments(transport),
    files: createFiles(transport, environmentPath),
    session: createSessionCalls(transport),
    terminals: {
      list: listTerminals,
      create: (environment, wish) => transport.json(Terminal, terminalsOf(environment), { method: "POST", json: wish }),
      remove: (environment, terminal) =>
        transport.done(`${terminalsOf(environment)}/${encodeURIComponent(terminal)}`, { method: "DELETE" }),
    },
    recordings: {
      get: (environment, terminal) => transport.json(Recording, recordingOf(environment, terminal)),
      set: (environment, terminal, enabled) =>
        transport.json(Recording, recordingOf(environment, terminal), { method: "PUT", json: { enabled } }),
      download: (environment, terminal, options = {}) =>
        transport.send(`${recordingOf(environment, terminal)}/content`, { signal: options.signal }),
      remove: (environment, terminal) => transport.done(recordingOf(environment, terminal), { method: "DELETE" }),
    },
    networks: createNetworks(transport),
    previews: createPreviews({ ...timing, transport, openSocket, diagnose }),
    sharing,
    createLink: (account) =>
      transport.json(SignInLink, "/v1/links", { method: "POST", json: account === undefined ? {} : { account } }),
    host: () => transport.json(HostStatus, "/v1/host"),
    run: (environment, request) =>
      transport.json(RunResult, `${environmentPath(environment)}/exec`, { method: "POST", json: request }),
    exec: (environment, exec) =>
      startExec({
        ...exec,
        ...timing,
        url: transport.socketUrl(`${environmentPath(environment)}/exec`),
        headers: transport.headers,
        openSocket,
        diagnose: () => diagnose(environment),
      }),
    attachTerminal: ({ environment, terminal, from, size, ...handlers }) =>
      new Attachment({
        ...handlers,
        ...timing,
        from: from ?? null,
        size: size ?? null,
        url: transport.socketUrl(`${terminalsOf(environment)}/${encodeURIComponent(terminal)}/attach`),
        headers: transport.headers,
        openSocket,
        diagnose: () => diagnose(environment, terminal),
      }),
    attachShared: ({ grant, from, size, ...handlers }) =>
      new Attachment({
        ...handlers,
        ...timing,
        from: from ?? null,
        size: size ?? null,
        url: transport.socketUrl(`/v1/shared/${encodeURIComponent(grant)}/attach`),
        headers: transport.headers,
        openSocket,
        diagnose: () => diagnoseShared(grant),
      }),
    followEvents: (handlers) =>
      followEvents({
        ...timing,
        handlers,
        url: transport.socketUrl("/v1/events"),
        headers: transport.headers,
        openSocket,
        diagnose: () => transport.json(Session, "/v1/session").then(() => null, finalOrNull),
      }),
  };
}
