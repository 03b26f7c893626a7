import { hostOfUrl, publicAddressOf } from "@microterm/protocol";
import type { Config } from "../config.ts";
import { StartError } from "../process/start-error.ts";
import { KeyPairError } from "./certificate.ts";
import { exposureFault, type SignInMethods } from "./exposure.ts";
import { listenPublicly, type PublicListenerOptions } from "./public-listener.ts";
import { shownAddress } from "./shown-address.ts";

/** How the server is reached from beyond this host, for `server.json`; null: it is not. */
export function exposureOf(
  { publicUrl, allowHost, tlsCert }: Config,
  signIn: SignInMethods,
): { readonly publicUrl: string; readonly tls: "server" | "proxy"; readonly signIn: SignInMethods } | null {
  const fault = exposureFault({ publicUrl, allowHost }, signIn);
  if (fault !== null) throw new StartError(fault);
  if (publicUrl === undefined) return null;
  return { publicUrl, tls: tlsCert === undefined ? "proxy" : "server", signIn };
}

/** Null: proxies come to the loopback addresses, if any come at all. `listen` is address and port. */
export async function listenBeyond(
  config: Config,
  parts: Pick<PublicListenerOptions, "main" | "clients" | "connectionLimit" | "log">,
): Promise<{ readonly listen: string; close(): void } | null> {
  const at = publicAddressOf(config);
  if (at === null) return null;
  const { tlsCert: cert, tlsKey: key, publicUrl = "", previewDomain } = config;
  const hosts = [hostOfUrl(publicUrl), ...(previewDomain === undefined ? [] : [`1-preview.${previewDomain}`])];
  const tls = cert === undefined || key === undefined ? null : { files: { cert, key }, hosts: hosts.map(withoutPort) };
  const shown = (port: number): string => shownAddress({ ...at, port });
  try {
    const listener = await listenPublicly({ ...parts, ...at, tls });
    return { listen: shown(listener.port), close: listener.close };
  } catch (error) {
    if (error instanceof KeyPairError) throw new StartError(error.message);
    throw listenError(error, shown(at.port));
  }
}

/** Of a value of `Host`. */
const withoutPort = (host: string): string => host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");

/** What to do where an address of `--listen` is not to be had. */
function listenError(error: unknown, address: string): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return new StartError(
        `--listen ${address} is in use, by another program or by this server's own --port. Try another port`,
      );
    case "EACCES":
      return new StartError(
        `--listen ${address}: ports below 1024 need privileges, which the server does not have. Try: sysctl net.ipv4.ip_unprivileged_port_start=443, or a port above 1023`,
      );
    case "EADDRNOTAVAIL":
      return new StartError(`--listen ${address} is no address of this host. Try: ip -brief address`);
    default:
      return error;
  }
}
