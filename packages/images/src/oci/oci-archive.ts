import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { TAR_END, tarHeader, tarPadding } from "../formats/tar.ts";

const LAYER = "application/vnd.oci.image.layer.v1.tar";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const INDEX = "application/vnd.oci.image.index.v1+json";

export interface LayerFile {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/** A tar that is there, or one of a few files, whose folders are in the layers below it. */
export type Layer = { readonly tar: string } | { readonly files: readonly LayerFile[] };

export interface OciArchive {
  readonly path: string;
  /** As engines show it, like registry.example.org/environment:1. */
  readonly name: string;
  /** The lowest first. */
  readonly layers: readonly Layer[];
  readonly config: ImageConfig;
}

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  /** `UID:GID`; root by default. */
  readonly user?: string;
  /** Each `NAME=VALUE`. */
  readonly env?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

interface Blob {
  readonly content: string | Buffer;
  readonly digest: string;
  readonly size: number;
}

/**
 * Writes an image as one file: an OCI image layout (image-spec 1.0) in a tar, as skopeo and `ctr images import` read it. The same content
 * makes the same bytes: nothing is compressed, and no time is in it. The file is there once it is whole.
 *
 * @returns the digest of the manifest.
 */
export async function writeOciArchive({ path, name, layers, config }: OciArchive): Promise<string> {
  const blobs: Blob[] = [];
  for (const layer of layers) blobs.push(await layerBlob(layer));
  const configuration = jsonBlob({
    architecture: "amd64",
    os: "linux",
    config: { Entrypoint: config.entrypoint, User: config.user, Env: config.env, Labels: config.labels },
    rootfs: { type: "layers", diff_ids: blobs.map(({ digest }) => digest) },
    history: blobs.map(() => ({ created: "1970-01-01T00:00:00Z" })),
  });
  const describe = ({ digest, size }: Blob, mediaType: string) => ({ mediaType, digest, size });
  const manifest = jsonBlob({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describe(configuration, CONFIG),
    layers: blobs.map((blob) => describe(blob, LAYER)),
    annotations: config.labels,
  });
  const annotations = {
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": name.replace(/^.*:/, ""),
  };
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [{ ...describe(manifest, MANIFEST), annotations }] };
  const staged = `${path}.new`;
  const file = await open(staged, "w", 0o644);
  try {
    await writeText(file, "oci-layout", '{"imageLayoutVersion":"1.0.0"}');
    await writeText(file, "index.json", JSON.stringify(index));
    for (const folder of ["blobs/", "blobs/sha256/"]) await file.write(tarHeader({ path: folder, mode: 0o755 }));
    for (const blob of [...blobs, configuration, manifest]) await writeBlob(file, blob);
    await file.write(TAR_END);
    await file.sync();
  } catch (error) {
    await rm(staged, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(staged, path);
  return manifest.digest;
}

const digestOf = (hash: Hash): string => `sha256:${hash.digest("hex")}`;

function jsonBlob(value: unknown): Blob {
  const content = Buffer.from(JSON.stringify(value));
  return { content, size: content.length, digest: digestOf(createHash("sha256").update(content)) };
}

async function layerBlob(layer: Layer): Promise<Blob> {
  if ("files" in layer) {
    const content = Buffer.concat([
      ...layer.files.flatMap(({ path, content, mode }) => [
        tarHeader({ path, mode, bytes: content.length }),
        content,
        tarPadding(content.length),
      ]),
      TAR_END,
    ]);
    return { content, size: content.length, digest: digestOf(createHash("sha256").update(content)) };
  }
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(layer.tar)) hash.update(chunk as Buffer);
  return { content: layer.tar, size: (await stat(layer.tar)).size, digest: digestOf(hash) };
}

async function writeText(file: FileHandle, path: string, text: string): Promise<void> {
  const content = Buffer.from(text);
  await file.write(
    Buffer.concat([tarHeader({ path, mode: 0o644, bytes: content.length }), content, tarPadding(content.length)]),
  );
}

async function writeBlob(file: FileHandle, { content, digest, size }: Blob): Promise<void> {
  await file.write(tarHeader({ path: `blobs/sha256/${digest.slice("sha256:".length)}`, mode: 0o644, bytes: size }));
  if (typeof content === "string")
    for await (const chunk of createReadStream(content)) await file.write(chunk as Buffer);
  else await file.write(content);
  await file.write(tarPadding(size));
}
