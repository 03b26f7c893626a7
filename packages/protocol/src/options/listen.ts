import { z } from "zod";
import { ALLOWED_HOST, mayBeOneSite } from "./options.ts";

/** A value of `--listen`. `port` is null where none was named. */
export interface ListenAddress {
  readonly address: string;
  readonly port: number | null;
}

const LISTEN = /^(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15}))(?::(\d{1,5}))?$/i;

/** `192.0.2.7`, `0.0.0.0:443`, `2001:db8::7`, `[::]:443`. */
export const ListenAddress = z.string().transform((text, context): ListenAddress => {
  const [, v6, v4, port] = LISTEN.exec(text) ?? [];
  const address = v6 ?? v4 ?? text;
  if (isAddress(address) && Number(port ?? 0) <= 65_535)
    return { address, port: port === undefined ? null : Number(port) };
  context.addIssue("must be an IP address of this host, such as 0.0.0.0, 192.0.2.7:443 or [::]:443");
  return z.NEVER;
});

/** A value of `--fleet`: where other servers reach this one, as a `Host` has it. */
export const FleetAddress = z
  .string()
  .transform((text, context): { readonly address: string; readonly port: number } => {
    const parsed = ListenAddress.safeParse(text);
    const { address = "", port = null } = parsed.data ?? {};
    if (port !== null && port > 0 && !UNSPECIFIED.test(address)) return { address, port };
    context.addIssue(
      "must be the IP address and the port at which other servers reach this one, such as 192.0.2.7:7690",
    );
    return z.NEVER;
  });

/** 0.0.0.0, ::, and how else those are written. */
const UNSPECIFIED = /^[0:.]*$/;

/** Which nobody else reaches, and where previews are in plain HTTP. */
const THIS_HOST = /^(?:(?:[^:]+\.)?localhost|127\.[0-9.]+|\[::1\])(?::|$)/;

/** A value of `--public-url`: an origin, as browsers write it in the header `Origin` (RFC 6454, 6.2). */
export const PublicUrl = z.string().transform((text, context): string => {
  const origin = text.toLowerCase().replace(/\/$/, "").replace(/:443$/, "");
  const host = /^https:\/\/(.+)$/.exec(origin)?.[1] ?? "";
  const port = Number(/:(\d+)$/.exec(host)?.[1] ?? 443);
  if (ALLOWED_HOST.test(host) && !THIS_HOST.test(host) && port > 0 && port <= 65_535) return origin;
  context.addIssue(
    "must be like https://term.example.org or https://192.0.2.7:8443: a name or address that others reach, without a path",
  );
  return z.NEVER;
});

/** A value of `--trust-proxy`: addresses and ranges, separated by commas. */
export const ProxyNetworks = z.string().transform((text, context): readonly string[] => {
  const networks = text.split(",").map((network) => network.trim());
  if (networks.every((network) => isAddress(network) || isNetwork(network))) return networks;
  context.addIssue("must be addresses or ranges of proxies, such as 192.0.2.7,2001:db8::/64, and not all there are");
  return z.NEVER;
});

const isAddress = (text: string): boolean => z.union([z.ipv4(), z.ipv6()]).safeParse(text).success;
const isNetwork = (text: string): boolean =>
  z.union([z.cidrv4(), z.cidrv6()]).safeParse(text).success && !/\/0+$/.test(text);

/** The host of a public URL as browsers send it in `Host`. */
export const hostOfUrl = (url: string): string => url.replace(/^https:\/\//, "");
const portOf = (host: string): number => Number(/:(\d+)$/.exec(host)?.[1] ?? 443);

/** How a server is reached from beyond its host. Undefined: it was not said. */
export interface ListenOptions {
  readonly listen?: ListenAddress | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly publicUrl?: string | undefined;
  readonly trustProxy: readonly string[];
  readonly previewDomain?: string | undefined;
}

/** Where proxies find a server without TLS, when `--listen` names no port. */
const PROXIED_PORT = 8080;

/** The address at which a server listens besides its loopback addresses; null: there is none. */
export function publicAddressOf(options: ListenOptions): { readonly address: string; readonly port: number } | null {
  const { listen, tlsCert, publicUrl, trustProxy } = options;
  if (listen === undefined || (tlsCert === undefined && trustProxy.length === 0)) return null;
  const usual = tlsCert === undefined ? PROXIED_PORT : portOf(publicUrl ?? "");
  return { address: listen.address, port: listen.port ?? usual };
}

/** What does not fit together, with what to do: a sentence for each fault. */
export function listenFaults(options: ListenOptions): readonly string[] {
  const { listen, tlsCert, tlsKey, publicUrl, trustProxy, previewDomain } = options;
  const hasTls = tlsCert !== undefined || tlsKey !== undefined;
  const hasProxy = trustProxy.length > 0;
  const faults: string[] = [];
  if (hasTls && (tlsCert === undefined || tlsKey === undefined)) {
    faults.push("--tls-cert and --tls-key are the two halves of a pair: name both files");
  }
  if (listen !== undefined && !hasTls && !hasProxy && !isDefault(listen)) {
    faults.push(
      `--listen ${listen.address} needs TLS: --tls-cert FILE --tls-key FILE, or --trust-proxy CIDR of a proxy that speaks it to browsers`,
    );
  }
  if (hasTls && listen === undefined) {
    faults.push("--tls-cert and --tls-key need --listen ADDRESS, such as 0.0.0.0: the server has TLS there");
  }
  if ((hasTls || hasProxy) && publicUrl === undefined) {
    faults.push("--public-url https://NAME is missing: the address that browsers use");
  }
  if (publicUrl !== undefined && !hasTls && !hasProxy) {
    faults.push(
      "--public-url needs TLS: --listen ADDRESS --tls-cert FILE --tls-key FILE, or --trust-proxy CIDR of a proxy that speaks it to browsers",
    );
  }
  if (publicUrl === undefined || previewDomain === undefined) return faults;
  if (mayBeOneSite(previewDomain, hostOfUrl(publicUrl))) {
    faults.push(`--preview-domain ${previewDomain} and --public-url ${publicUrl} may not be of one domain`);
  }
  if (hasTls && portOf(previewDomain) !== portOf(hostOfUrl(publicUrl))) {
    faults.push(`--preview-domain ${previewDomain} and --public-url ${publicUrl} must have the same port`);
  }
  return faults;
}

/** What the server does without being told. */
const isDefault = ({ address, port }: ListenAddress): boolean =>
  (address === "127.0.0.1" || address === "::1") && port === null;
