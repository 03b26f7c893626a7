import { PublicUrl } from "@microterm/protocol";
import { z } from "zod";

/** How a server is reached from beyond its host, as it writes it into `server.json`. */
export const Exposure = z.object({
  publicUrl: PublicUrl,
  /** Address and port; null: proxies come to the loopback addresses. */
  listen: z
    .string()
    .regex(/^[[\]0-9a-f.:]{3,64}$/)
    .nullable(),
  /** Who speaks TLS to browsers. */
  tls: z.enum(["server", "proxy"]),
  signIn: z.object({ hasPasswordAdmin: z.boolean(), hasOidc: z.boolean() }),
});
export type Exposure = z.infer<typeof Exposure>;

/** For a person, who has opened a host to others. */
export function describeExposure({ publicUrl, listen, tls, signIn }: Exposure): string {
  const way = tls === "server" ? "TLS by its own certificate" : "TLS by a trusted proxy";
  const people = [
    ...(signIn.hasPasswordAdmin ? ["accounts with a password"] : []),
    ...(signIn.hasOidc ? ["accounts of the OIDC provider"] : []),
    "anyone with a sign-in link",
  ];
  return `${publicUrl}, listening at ${listen ?? "127.0.0.1"}, ${way}; may sign in: ${people.join(", ")}`;
}
