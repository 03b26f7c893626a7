import { resolve } from "node:path";
import { ListenAddress, listenFaults, ProxyNetworks, PublicUrl } from "@microterm/protocol";
import type { z } from "zod";
import { SetupError } from "../progress.ts";

/** The options of `up` that say how the server is reached from beyond its host. */
export const LISTEN_OPTIONS = {
  listen: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "public-url": { type: "string" },
  "trust-proxy": { type: "string" },
} as const;

type Values = Readonly<Partial<Record<keyof typeof LISTEN_OPTIONS, string | undefined>>>;
/** An option of `serve` and its value. */
export type ServeOption = readonly [option: string, value: string];

const EXAMPLE =
  "./microterm up --listen 0.0.0.0 --tls-cert fullchain.pem --tls-key privkey.pem --public-url https://term.example.org";

/** Checks these options, alone and together, and returns them as `serve` takes them. All their faults are reported at once. */
export function readListenOptions(values: Values, previewDomain: string | null): readonly ServeOption[] {
  const faults: string[] = [];
  const read = <T>(name: keyof Values, schema: z.ZodType<T, string>): T | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const { success, data, error } = schema.safeParse(text);
    if (!success) faults.push(`--${name} ${text} ${error.issues[0]?.message}`);
    return data;
  };
  const options = {
    listen: read("listen", ListenAddress),
    tlsCert: fileOf(values["tls-cert"]),
    tlsKey: fileOf(values["tls-key"]),
    publicUrl: read("public-url", PublicUrl),
    trustProxy: read("trust-proxy", ProxyNetworks) ?? [],
    previewDomain: previewDomain ?? undefined,
  };
  // What cannot be read is not missing.
  if (faults.length === 0) faults.push(...listenFaults(options));
  if (faults.length > 0) throw new SetupError(faults.join("\n"), EXAMPLE);
  const checked: readonly (readonly [string, string | undefined])[] = [
    ["--listen", values.listen],
    ["--tls-cert", options.tlsCert],
    ["--tls-key", options.tlsKey],
    ["--public-url", options.publicUrl],
    ["--trust-proxy", values["trust-proxy"]],
  ];
  return checked.flatMap(([option, value]) => (value === undefined ? [] : [[option, value] as const]));
}

const fileOf = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(path));

/** The arguments of a server that is started for its own host alone. */
export function withoutListening(args: readonly string[]): readonly string[] {
  const names = new Set([...Object.keys(LISTEN_OPTIONS), "allow-host"].map((name) => `--${name}`));
  return args.filter((arg, at) => !names.has(arg) && !names.has(args[at - 1] ?? ""));
}
