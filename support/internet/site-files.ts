import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "@microterm/host";

export const KEY = "key.pem";
/** Of all names there are, and its own authority. */
export const CERTIFICATE = "certificate.pem";

const WHEEL = "hello_example-1.0-py3-none-any.whl";
const DEB = "hello-example.deb";

/** Writes what the sites of the tests' own internet have: below `sites/NAME`, with a key and a certificate beside it. */
export async function makeSites(folder: string): Promise<void> {
  const site = (name: string): string => {
    const path = join(folder, "sites", name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  await makeCertificate(folder);
  await makeRepository(folder, site("git.example.org"));
  await makeIndex(site("pypi.packages.example.org"));
  await makeArchive(folder, site("deb.packages.example.org"));
}

async function run(cwd: string, ...command: readonly string[]): Promise<void> {
  const { code, stderr } = await runCommand(command, { cwd });
  if (code !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

async function makeCertificate(folder: string): Promise<void> {
  const names = ["example.org", "*.example.org", "*.packages.example.org"].map((name) => `DNS:${name}`).join(",");
  await run(
    folder,
    ...["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "30"],
    ...["-subj", "/CN=example.org", "-addext", `subjectAltName=${names}`, "-keyout", KEY, "-out", CERTIFICATE],
  );
}

/** For git's way over plain files (gitprotocol-http(5), "dumb"). */
async function makeRepository(folder: string, site: string): Promise<void> {
  const work = join(folder, "work");
  mkdirSync(work);
  writeFileSync(join(work, "README"), "cloned\n");
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
  await run(work, "git", "init", "--quiet", "--initial-branch=main");
  await run(work, "git", "add", "README");
  await run(work, "git", ...author, "commit", "--quiet", "--message=first");
  await run(work, "git", "clone", "--quiet", "--bare", work, join(site, "project.git"));
  await run(join(site, "project.git"), "git", "update-server-info");
}

/** PEP 503, with one wheel (PEP 427). */
async function makeIndex(site: string): Promise<void> {
  const project = join(site, "simple/hello-example");
  const about = "hello_example-1.0.dist-info";
  const files = {
    "hello_example.py": 'print("installed by pip")\n',
    [`${about}/METADATA`]: "Metadata-Version: 2.1\nName: hello-example\nVersion: 1.0\n",
    [`${about}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  };
  const record = [...Object.keys(files), `${about}/RECORD`].map((file) => `${file},,\n`).join("");
  mkdirSync(join(project, about), { recursive: true });
  const all = { ...files, [`${about}/RECORD`]: record };
  for (const [file, text] of Object.entries(all)) writeFileSync(join(project, file), text);
  await run(project, "python3", "-m", "zipfile", "-c", WHEEL, "hello_example.py", about);
  writeFileSync(join(project, "index.html"), `<!DOCTYPE html><a href="${WHEEL}">${WHEEL}</a>\n`);
}

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** A flat archive, as sources.list(5) has it, without a signature. */
async function makeArchive(folder: string, site: string): Promise<void> {
  const root = join(folder, "deb");
  mkdirSync(join(root, "DEBIAN"), { recursive: true });
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  const control = [
    ...["Package: hello-example", "Version: 1.0", "Architecture: all", "Maintainer: Test <test@example.org>"],
    "Description: says that it is there",
  ].join("\n");
  writeFileSync(join(root, "DEBIAN/control"), `${control}\n`);
  writeFileSync(join(root, "usr/bin/hello-example"), "#!/bin/sh\necho installed by apt\n", { mode: 0o755 });
  await run(folder, "dpkg-deb", "--root-owner-group", "--build", root, join(site, DEB));
  const deb = readFileSync(join(site, DEB));
  const packages = `${control}\nFilename: ./${DEB}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`;
  writeFileSync(join(site, "Packages"), packages);
  const sums = `SHA256:\n ${sha256(packages)} ${Buffer.byteLength(packages)} Packages\n`;
  writeFileSync(join(site, "Release"), `Date: ${new Date().toUTCString()}\n${sums}`);
}
