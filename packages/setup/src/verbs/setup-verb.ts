import { cacheFolder } from "../data/paths.ts";
import { downloadFirecracker } from "../firecracker/download.ts";
import { pinnedRelease } from "../firecracker/release.ts";
import { createProgress } from "../progress.ts";

/** `microterm setup firecracker`: downloads what `up` then finds. Returns the exit code. */
export async function setUpFirecracker(): Promise<number> {
  const progress = createProgress();
  await downloadFirecracker({ release: pinnedRelease(), cache: cacheFolder(), progress });
  progress.note(
    "'./microterm up' makes environments with it where KVM works; --driver firecracker where a server runs.",
  );
  return 0;
}
