import { z } from "zod";

export const PORTS_SUBPROTOCOL = "microterm.ports.v1";
export const CONNECT_SUBPROTOCOL = "microterm.connect.v1";

export const Port = z.number().int().min(1).max(65_535);

/** Under which addresses a browser reaches an environment's ports. */
export const PreviewAddresses = z.discriminatedUnion("kind", [
  /** `http://{port}-{id}.localhost`, with the page's own port. */
  z.strictObject({ kind: z.literal("localhost") }),
  /** Below the domain that the server was started with. */
  z.strictObject({ kind: z.literal("domain"), domain: z.string() }),
  /** Under none: another process may answer at ::1 in the server's place, or the page is reached under a name that is no loopback's. */
  z.strictObject({ kind: z.literal("none"), obstacle: z.enum(["loopback-not-ours", "no-domain"]) }),
]);
export type PreviewAddresses = z.infer<typeof PreviewAddresses>;

/** What listens in a guest where a connection to its 127.0.0.1 or ::1 arrives. */
export const ListeningPorts = z.strictObject({
  ports: z.array(Port).max(256),
  /** There are more than are told. */
  truncated: z.boolean(),
});
export type ListeningPorts = z.infer<typeof ListeningPorts>;

/** `GET /v1/environments/{env}/ports`. */
export const PortList = z.strictObject({ ...ListeningPorts.shape, previews: PreviewAddresses });
export type PortList = z.infer<typeof PortList>;

export const NewTicket = z.strictObject({ port: Port });

/** An address that opens a preview once, for who is sent there within 30 s. */
export const PreviewTicket = z.strictObject({ url: z.string(), expiresAt: z.iso.datetime() });
export type PreviewTicket = z.infer<typeof PreviewTicket>;

const MONTH_SECONDS = 30 * 24 * 3600;

export const NewPreviewLink = z.strictObject({
  port: Port,
  /** Until it ends by itself; a day when nothing is said. */
  ttlSeconds: z
    .number()
    .int()
    .min(60)
    .max(MONTH_SECONDS)
    .default(24 * 3600),
});
export type NewPreviewLink = z.input<typeof NewPreviewLink>;

/** A shared link. Its address is told once, when it is made. */
export const PreviewLink = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{12}$/),
  port: Port,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
export type PreviewLink = z.infer<typeof PreviewLink>;

export const CreatedPreviewLink = z.strictObject({ ...PreviewLink.shape, url: z.string() });
export type CreatedPreviewLink = z.infer<typeof CreatedPreviewLink>;
