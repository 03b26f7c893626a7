import { z } from "zod";

/** What the manifest takes in the archive, whatever it says: it comes first and is written last. */
export const MANIFEST_BYTES = 1024 * 1024;
export const MANIFEST = "manifest.json";
export const DATABASE = "database.jsonl";
export const SERVER = "server.tar";

const MEMBER = /^(?:database\.jsonl|server\.tar|disk-[a-z0-9]{1,16}\.tar|image-[a-z0-9-]{8,64}\.tar)$/;

export const diskMember = (diskId: string): string => `disk-${diskId}.tar`;
export const imageMember = (key: string): string => `image-${key}.tar`;

/** What a backup says of itself. A format that is not this one is refused. */
export const Manifest = z.strictObject({
  format: z.literal(1),
  /** Of the microterm that has made it. */
  version: z.string().max(100),
  createdAt: z.iso.datetime(),
  environments: z.number().int().nonnegative(),
  /** All that follows it, in order. */
  members: z
    .array(
      z.strictObject({
        name: z.string().regex(MEMBER),
        bytes: z.number().int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .max(5000),
});
export type Manifest = z.infer<typeof Manifest>;
export type Member = Manifest["members"][number];
