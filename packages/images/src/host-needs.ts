import { access, constants, readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { hasDebianKeyring } from "./debian/apt-sources.ts";
import { ImageBuildError } from "./image-error.ts";

async function hasProgram(name: string): Promise<boolean> {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const found = await Promise.all(
    folders.filter(Boolean).map((folder) =>
      access(join(folder, name), constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}

/** subuid(5): `user:first:count`, by name or uid. mmdebstrap needs 65536 of them. */
export function hasSubordinateIds(text: string, user: { readonly username: string; readonly uid: number }): boolean {
  return text.split("\n").some((line) => {
    const [owner, , count] = line.split(":");
    return (owner === user.username || owner === String(user.uid)) && Number(count) >= 65_536;
  });
}

/**
 * Looks for what a build needs before anything is fetched.
 *
 * @throws ImageBuildError that names the missing package or right.
 */
export async function checkHost(): Promise<void> {
  const fail = (message: string, hint: string) => {
    throw new ImageBuildError({ step: "check", message, hint });
  };
  const user = userInfo();
  const needed: (readonly [string, string])[] = [
    ["mmdebstrap", "mmdebstrap"],
    ["mkfs.erofs", "erofs-utils"],
    ["apt-get", "apt"],
  ];
  if (user.uid !== 0) needed.push(["newuidmap", "uidmap"]);
  for (const [program, name] of needed) {
    if (!(await hasProgram(program))) fail(`${program} is not installed`, `Install it: sudo apt-get install ${name}`);
  }
  if (!(await hasDebianKeyring())) {
    fail("Debian's archive keys are not installed", "Install them: sudo apt-get install debian-archive-keyring");
  }
  if (user.uid === 0) return;
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    if (hasSubordinateIds(await readFile(file, "utf8").catch(() => ""), user)) continue;
    fail(
      `${user.username} has no 65536 subordinate ids in ${file}`,
      `Add them: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user.username}`,
    );
  }
}
