import { defaultDataFolder } from "@microterm/host";
import { SetupError } from "../progress.ts";
import { CLUSTER_OPTIONS, readClusterOptions } from "../server/cluster-options.ts";
import { parse } from "./options.ts";
import { REPORT_FORMATS, type ReportFormat } from "./report.ts";

export interface ReportOptions {
  readonly data: string;
  readonly output: ReportFormat;
}

export interface DoctorOptions extends ReportOptions {
  /** Look for what is left on the host, and check nothing else. */
  readonly leftovers: boolean;
  /** Arguments of a server whose cluster is to be looked at; empty: those of the last `up`. */
  readonly cluster: readonly string[];
}

const REPORT = { data: { type: "string" }, output: { type: "string", short: "o" } } as const;

export function readReportOptions(args: readonly string[]): ReportOptions {
  return reportOf(parse(args, REPORT).values);
}

export function readDoctorOptions(args: readonly string[]): DoctorOptions {
  const { "insecure-no-network-policy": _ofUp, ...cluster } = CLUSTER_OPTIONS;
  const { values } = parse(args, {
    ...{ ...REPORT, leftovers: { type: "boolean" }, driver: { type: "string" } },
    ...cluster,
  });
  const { driver } = values;
  if (driver !== undefined && driver !== "kubernetes") {
    throw new SetupError(
      `doctor has no --driver ${driver}: it looks at this host for all others`,
      "./microterm doctor",
    );
  }
  const given = readClusterOptions(values, driver !== undefined);
  return {
    ...reportOf(values),
    leftovers: values.leftovers === true,
    cluster: driver === undefined ? [] : ["--driver", driver, ...given.flat()],
  };
}

function reportOf({ data, output = "text" }: { readonly data?: unknown; readonly output?: unknown }): ReportOptions {
  const format = REPORT_FORMATS.find((one) => one === output);
  if (format === undefined) throw new SetupError(`-o ${output} is none of ${REPORT_FORMATS.join(", ")}`, "-o json");
  return { data: String(data ?? defaultDataFolder()), output: format };
}
