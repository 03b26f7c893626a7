import {
  CreatedPreviewLink,
  type NewPreviewLink,
  PORTS_SUBPROTOCOL,
  PortList,
  PreviewLink,
  PreviewTicket,
} from "@microterm/protocol";
import { z } from "zod";
import { backoffMs, realTiming, type Timing } from "../backoff.ts";
import { environmentPath } from "../environments.ts";
import { listen, type OpenSocket } from "../socket.ts";
import type { Transport } from "../transport.ts";
import type { TunnelTarget } from "./tunnel.ts";

const Links = z.strictObject({ links: z.array(PreviewLink) });
/** The server says something every 3 s. */
const SILENCE_MS = 9000;
const FAULT = 4002;

export interface PortHandlers {
  /** First as it is, then at each change. */
  onPorts(list: PortList): void;
  /** Not before the environment is stopped and started again: its agent is of an older version. */
  onUnsupported?(): void;
  /** Nothing is known for now; it is asked again. */
  onLost?(): void;
}

/** What programs in an environment serve at its ports. */
export interface Previews {
  ports(environment: string): Promise<PortList>;
  /** Until closed, across lost connections. Returns what closes it. */
  followPorts(environment: string, handlers: PortHandlers): () => void;
  /** An address that opens a preview once, in the browser whose session asks. */
  ticket(environment: string, port: number): Promise<PreviewTicket>;
  links(environment: string): Promise<PreviewLink[]>;
  /** An address that opens a preview to anyone who has it, until it ends. */
  share(environment: string, wish: NewPreviewLink): Promise<CreatedPreviewLink>;
  revoke(environment: string, link: string): Promise<void>;
  /** What `openTunnel` connects to one of its ports by. */
  target(environment: string, port: number): TunnelTarget;
}

export interface PreviewsOptions {
  readonly transport: Transport;
  readonly openSocket: OpenSocket;
  readonly diagnose: (environment: string) => Promise<Error | null>;
  readonly timing?: Timing;
}

export function createPreviews(options: PreviewsOptions): Previews {
  const { transport, openSocket, diagnose } = options;
  const timing = options.timing === undefined ? {} : { timing: options.timing };
  const portsOf = (environment: string): string => `${environmentPath(environment)}/ports`;
  const linksOf = (environment: string): string => `${environmentPath(environment)}/previews/links`;
  return {
    ports: (environment) => transport.json(PortList, portsOf(environment)),
    followPorts: (environment, handlers) =>
      followPorts({ ...timing, url: transport.socketUrl(portsOf(environment)), transport, openSocket, handlers }),
    ticket: (environment, port) =>
      transport.json(PreviewTicket, `${environmentPath(environment)}/previews/tickets`, {
        method: "POST",
        json: { port },
      }),
    links: async (environment) => (await transport.json(Links, linksOf(environment))).links,
    share: (environment, wish) =>
      transport.json(CreatedPreviewLink, linksOf(environment), { method: "POST", json: wish }),
    revoke: (environment, link) =>
      transport.done(`${linksOf(environment)}/${encodeURIComponent(link)}`, { method: "DELETE" }),
    target: (environment, port) => ({
      ...timing,
      url: transport.socketUrl(`${portsOf(environment)}/${port}/connect`),
      headers: transport.headers,
      openSocket,
      diagnose: () => diagnose(environment),
    }),
  };
}

interface FollowOptions {
  readonly url: string;
  readonly transport: Transport;
  readonly openSocket: OpenSocket;
  readonly handlers: PortHandlers;
  readonly timing?: Timing;
}

const Message = z.union([
  z.strictObject({ event: z.literal(["alive", "unsupported"]) }),
  z.strictObject({ event: z.literal("ports"), data: PortList }),
]);

function followPorts({ url, transport, openSocket, handlers, timing = realTiming }: FollowOptions): () => void {
  let attempt = 0;
  let isOver = false;
  let drop = (): void => undefined;
  let cancel = (): void => undefined;
  const retry = (): void => {
    drop();
    if (isOver) return;
    handlers.onLost?.();
    cancel = timing.after(
      backoffMs(attempt++, () => timing.random()),
      connect,
    );
  };
  function connect(): void {
    const socket = openSocket(url, { protocol: PORTS_SUBPROTOCOL, headers: transport.headers });
    const heard = (): void => {
      cancel();
      cancel = timing.after(SILENCE_MS, retry);
    };
    const unlisten = listen(socket, {
      opened: () => undefined,
      message: retry,
      textMessage: (text) => {
        heard();
        try {
          const message = Message.parse(JSON.parse(text));
          if (message.event === "alive") return;
          attempt = 0;
          if (message.event === "ports") handlers.onPorts(message.data);
          else handlers.onUnsupported?.();
        } catch {
          retry();
        }
      },
      closed: retry,
    });
    drop = () => {
      cancel();
      unlisten();
      socket.close(FAULT, "");
    };
    heard();
  }
  connect();
  return () => {
    isOver = true;
    cancel();
    drop();
  };
}
