import type { IncomingMessage } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";
import { forwardedOf } from "../fleet/forwarded.ts";

/** More hops than any real path has: what a client has put in front of them is not read. */
const MAX_HOPS = 32;

/** The one place that says whose a connection and a request are. */
export interface ClientAddresses {
  /** Whom a connection is from, a proxy or a client. Without zone; IPv4 as IPv4 also where the socket is IPv6. Empty once it has ended. */
  peerOf(socket: Pick<Socket, "remoteAddress">): string;
  /** Whether the peer of a connection is named by `--trust-proxy`. */
  isProxy(socket: Pick<Socket, "remoteAddress">): boolean;
  /**
   * The address of the client: the connection's peer, or, from a trusted proxy alone, the rightmost address of `X-Forwarded-For`, else
   * of `Forwarded` (RFC 7239), that is no trusted proxy's. Without zone and port, and empty, as above. Of a request that a peer forwards, what
   * that has found.
   */
  clientAddressOf(request: IncomingMessage): string;
  /** Whether a trusted proxy says that it was asked without TLS (`X-Forwarded-Proto`, else `proto` of `Forwarded`). */
  isForwardedInClear(request: IncomingMessage): boolean;
}

/** `trusted`: addresses and ranges, as `ProxyNetworks` of the protocol. */
export function createClientAddresses(trusted: readonly string[]): ClientAddresses {
  const proxies = new BlockList();
  for (const network of trusted) {
    const [address = "", prefix] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) proxies.addAddress(address, family);
    else proxies.addSubnet(address, Number(prefix), family);
  }
  const isTrusted = (address: string): boolean =>
    isIP(address) !== 0 && proxies.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
  const peerOf = ({ remoteAddress }: Pick<Socket, "remoteAddress">): string => plainAddress(remoteAddress ?? "") ?? "";
  return {
    peerOf,
    isProxy: (socket) => isTrusted(peerOf(socket)),
    clientAddressOf(request) {
      const forwarded = forwardedOf(request);
      if (forwarded !== null) return forwarded.address;
      let client = peerOf(request.socket);
      // Each hop has named the one before it: what no trusted one has said may be invented.
      for (const hop of hopsOf(request).reverse().slice(0, MAX_HOPS)) {
        if (!isTrusted(client)) break;
        const address = plainAddress(hop);
        if (address === null) break;
        client = address;
      }
      return client;
    },
    isForwardedInClear(request) {
      if (!isTrusted(peerOf(request.socket))) return false;
      const scheme = valuesOf(request, "x-forwarded-proto").at(-1) ?? parameterOf(request, "proto").at(-1);
      return scheme !== undefined && /^(?:http|ws)$/i.test(scheme);
    },
  };
}

/** From the first to the last. A proxy that writes `X-Forwarded-For` may leave a client's own `Forwarded` as it came: that is read only without the other. */
function hopsOf(request: IncomingMessage): string[] {
  const forwardedFor = valuesOf(request, "x-forwarded-for");
  return forwardedFor.length > 0 ? forwardedFor : parameterOf(request, "for");
}

function valuesOf({ headersDistinct }: IncomingMessage, name: string): string[] {
  return (headersDistinct[name] ?? [])
    .flatMap((line) => line.split(","))
    .map((value) => value.trim())
    .filter((value) => value !== "");
}

/** `for=192.0.2.60;proto=http, for="[2001:db8::7]:47011"`; an element without the parameter counts as one that cannot be read. */
function parameterOf(request: IncomingMessage, parameter: "for" | "proto"): string[] {
  return valuesOf(request, "forwarded").map((element) => {
    const pair = element.split(";").find((one) => one.trim().toLowerCase().startsWith(`${parameter}=`)) ?? "";
    return pair
      .slice(pair.indexOf("=") + 1)
      .trim()
      .replaceAll('"', "");
  });
}

/** An address without port, brackets, zone and the prefix of IPv4 in IPv6; null: it is none. */
function plainAddress(text: string): string | null {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+(?:\.\d+){3}):\d+$/.exec(text)?.[1] ?? text;
  const address = bare
    .toLowerCase()
    .replace(/%.*$/, "")
    .replace(/^::ffff:(?=\d+\.)/, "");
  return isIP(address) === 0 ? null : address;
}
