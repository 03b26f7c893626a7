import { createHash } from "node:crypto";
import { open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a bad disk, or another release, makes of a snapshot's folder (docs/reference/host-protocol.md). */
export interface Damage {
  readonly name: string;
  /** Answers with what undoes it. */
  readonly inflict: (folder: string) => Promise<() => Promise<void>>;
}

const PAGE = 4096;

async function writeAt(path: string, bytes: Uint8Array, at: number): Promise<void> {
  const file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, at);
  await file.close();
}

async function readAt(path: string, length: number, at: number): Promise<Buffer> {
  const file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, at);
  await file.close();
  return buffer;
}

const changed = (name: string): Damage => ({
  name: `a byte of its ${name} is another`,
  async inflict(folder) {
    const path = join(folder, name);
    const at = Math.floor((await stat(path)).size / 2);
    const before = await readAt(path, 1, at);
    await writeAt(
      path,
      before.map((byte) => byte ^ 1),
      at,
    );
    return () => writeAt(path, before, at);
  },
});

const cut = (name: string): Damage => ({
  name: `its ${name} is cut short`,
  async inflict(folder) {
    const path = join(folder, name);
    const { size } = await stat(path);
    const length = Math.min(PAGE, size);
    const before = await readAt(path, length, size - length);
    await truncate(path, size - length);
    return () => writeAt(path, before, size - length);
  },
});

const missing = (name: string): Damage => ({
  name: `its ${name} is missing`,
  async inflict(folder) {
    const path = join(folder, name);
    await rename(path, `${folder}.${name}`);
    return () => rename(`${folder}.${name}`, path);
  },
});

const manifestWith = (name: string, change: (manifest: Record<string, unknown>) => void): Damage => ({
  name,
  async inflict(folder) {
    const path = join(folder, "manifest.json");
    const before = await readFile(path);
    const manifest: Record<string, unknown> = JSON.parse(before.toString());
    change(manifest);
    await writeFile(path, JSON.stringify(manifest));
    return () => writeFile(path, before);
  },
});

/** As a person makes it who writes a snapshot by hand: nothing but the VMM itself can find fault with it. */
const foreignState: Damage = {
  name: "its state is none of such a VMM, with the right sum",
  async inflict(folder) {
    const path = join(folder, "state");
    const before = await readFile(path);
    const bytes = Buffer.alloc(before.length, "no state of a microVM ");
    const sum = { size: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    const undo = await manifestWith("", (manifest) => Object.assign(manifest, { state: sum })).inflict(folder);
    await writeFile(path, bytes);
    return async () => {
      await writeFile(path, before);
      await undo();
    };
  },
};

export const DAMAGES: readonly Damage[] = [
  changed("memory"),
  cut("memory"),
  missing("memory"),
  changed("state"),
  cut("state"),
  foreignState,
  manifestWith("it was saved by another version, or on another processor", (manifest) => {
    manifest.kind = createHash("sha256").update("another").digest("hex");
  }),
  manifestWith("its manifest is of a later release", (manifest) => {
    manifest.version = 2;
  }),
  cut("manifest.json"),
];

/** Does something to a snapshot with such a damage, which is then undone. */
export async function withDamage<T>(damage: Damage, folder: string, act: () => Promise<T>): Promise<T> {
  const undo = await damage.inflict(folder);
  try {
    return await act();
  } finally {
    await undo();
    // A template that was found damaged is marked as such.
    await rm(join(folder, "corrupt"), { force: true });
  }
}
