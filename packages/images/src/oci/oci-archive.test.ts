import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "@microterm/host";
import { expect, it, onTestFinished } from "vitest";
import { tarHeader, tarPadding } from "../formats/tar.ts";
import { writeOciArchive } from "./oci-archive.ts";

const CONFIG = { entrypoint: ["/agent"], labels: { a: "b" } };

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "microterm-oci-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function unpacked(archive: string, folder: string): Promise<string> {
  const { code, stderr } = await runCommand(["tar", "-xf", archive, "-C", folder]);
  expect([code, stderr]).toEqual([0, ""]);
  return folder;
}

async function write(folder: string): Promise<{ readonly path: string; readonly digest: string }> {
  const content = Buffer.from("#!/bin/sh\n");
  const tar = join(folder, "root.tar");
  writeFileSync(tar, Buffer.concat([tarHeader({ path: "etc/", mode: 0o755 }), tarPadding(0), Buffer.alloc(1024)]));
  const path = join(folder, "image.tar");
  const layers = [{ tar }, { files: [{ path: "agent", content, mode: 0o755 }] }];
  return { path, digest: await writeOciArchive({ path, name: "example.org/one:2", layers, config: CONFIG }) };
}

it("writes what it says by content, from the index to the layers", async () => {
  const folder = scratch();
  const { path, digest } = await write(folder);
  await unpacked(path, folder);
  const blob = (name: string): Buffer => readFileSync(join(folder, "blobs/sha256", name.replace("sha256:", "")));
  const read = (name: string) => {
    const bytes = blob(name);
    expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(name);
    return bytes;
  };
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8"));
  expect(index.manifests).toMatchObject([{ digest, annotations: { "org.opencontainers.image.ref.name": "2" } }]);
  const manifest = JSON.parse(read(digest).toString());
  expect(manifest.annotations).toEqual({ a: "b" });
  const config = JSON.parse(read(manifest.config.digest).toString());
  expect(config.config).toEqual({ Entrypoint: ["/agent"], Labels: { a: "b" } });
  const layers = manifest.layers.map((layer: { digest: string; size: number }) => {
    expect(read(layer.digest).length).toBe(layer.size);
    return layer.digest;
  });
  expect(config.rootfs.diff_ids).toEqual(layers);
  writeFileSync(join(folder, "layer.tar"), read(layers[1]));
  const { stdout } = await runCommand(["tar", "--utc", "-tvf", join(folder, "layer.tar"), "--numeric-owner"]);
  expect(stdout).toMatch(/^-rwxr-xr-x 0\/0 +10 1970-01-01 00:00 agent\n$/);
});

it("makes the same bytes of the same content", async () => {
  const [one, other] = [await write(scratch()), await write(scratch())];
  expect(readFileSync(one.path).equals(readFileSync(other.path))).toBe(true);
});

it("takes no path that a header cannot hold", () => {
  expect(() => tarHeader({ path: "x".repeat(101), mode: 0o644, bytes: 0 })).toThrow("100 bytes");
});
