import type { VmImages } from "@microterm/core";
import type { HostDaemonClient } from "@microterm/host";

/** The images that microterm-host has imported. */
export function createHostImages(daemon: HostDaemonClient, current: string): VmImages {
  return {
    current,

    list: async () =>
      (await daemon.listImages()).map(({ image, allocatedBytes, isUsed }) => ({
        image,
        bytes: allocatedBytes,
        isUsed,
      })),

    async inUse() {
      const [{ machines }, saves] = await Promise.all([daemon.list(), daemon.listSaves()]);
      const ids = [
        ...machines.map(({ machineId, image }) => [machineId, image] as const),
        ...saves.map(({ saveId, image }) => [saveId, image] as const),
      ];
      return new Map(ids.filter((one): one is readonly [string, string] => one[1] !== null));
    },

    async remove(image) {
      await daemon.removeImage(image);
    },
  };
}
