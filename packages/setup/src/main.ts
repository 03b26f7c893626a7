/** The verbs of `microterm` that work without a running server: up, setup, image, down, status, version, doctor, backup, restore. */
import { explainFailure, SetupError } from "./progress.ts";

const VERBS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  up: async (args) => (await import("./verbs/up.ts")).up((await import("./verbs/options.ts")).readUpOptions(args)),
  setup: async (args) => {
    (await import("./verbs/options.ts")).readSetupOptions(args);
    return (await import("./verbs/setup-verb.ts")).setUpFirecracker();
  },
  image: async (args) =>
    (await import("./verbs/image.ts")).image((await import("./verbs/options.ts")).readImageOptions(args)),
  down: async (args) =>
    (await import("./verbs/down.ts")).down((await import("./verbs/options.ts")).readDownOptions(args)),
  status: async (args) =>
    (await import("./verbs/status.ts")).status((await import("./verbs/report-options.ts")).readReportOptions(args)),
  version: async (args) =>
    (await import("./verbs/version-verb.ts")).version(
      (await import("./verbs/report-options.ts")).readReportOptions(args),
    ),
  backup: async (args) =>
    (await import("./verbs/backup.ts")).backup((await import("./verbs/options.ts")).readArchiveOptions("backup", args)),
  restore: async (args) =>
    (await import("./verbs/restore.ts")).restore(
      (await import("./verbs/options.ts")).readArchiveOptions("restore", args),
    ),
  doctor: async (args) =>
    (await import("./doctor/doctor.ts")).doctor((await import("./verbs/report-options.ts")).readDoctorOptions(args)),
};

const [verb = "", ...args] = process.argv.slice(2);
try {
  const run = VERBS[verb];
  if (run === undefined)
    throw new SetupError(`'${verb}' is none of ${Object.keys(VERBS).join(", ")}`, "./microterm help");
  process.exit(await run(args));
} catch (error) {
  process.stderr.write(explainFailure(error, verb));
  process.exit(1);
}
