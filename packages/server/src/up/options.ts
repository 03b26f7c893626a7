import { parseArgs } from "node:util";
import { defaultDataFolder } from "./paths.ts";
import { SetupError } from "./progress.ts";

export interface UpOptions {
  readonly detach: boolean;
  readonly port: number;
  readonly data: string;
  readonly driver: "qemu" | "process";
}

export interface DownOptions {
  readonly data: string;
  readonly destroy: boolean;
  readonly yes: boolean;
}

export interface ReportOptions {
  readonly data: string;
  readonly output: "text" | "json";
}

const DEFAULT_PORT = 7681;

export function readUpOptions(args: readonly string[]): UpOptions {
  const { values } = parse(args, {
    detach: { type: "boolean", short: "d" },
    port: { type: "string" },
    data: { type: "string" },
    driver: { type: "string" },
    yes: { type: "boolean", short: "y" },
  });
  const port = values.port === undefined ? DEFAULT_PORT : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new SetupError(`--port ${values.port} is not a number from 0 to 65535`, "./microterm up --port 7682");
  }
  const driver = values.driver ?? "auto";
  if (driver !== "auto" && driver !== "qemu" && driver !== "process") {
    throw new SetupError(`--driver ${driver} is none of auto, qemu, process`, "./microterm up");
  }
  return {
    detach: values.detach === true,
    port,
    data: String(values.data ?? defaultDataFolder()),
    // `process` gives no isolation at all: it is never chosen, only asked for.
    driver: driver === "auto" ? "qemu" : driver,
  };
}

export function readDownOptions(args: readonly string[]): DownOptions {
  const { values } = parse(args, {
    data: { type: "string" },
    destroy: { type: "boolean" },
    yes: { type: "boolean", short: "y" },
  });
  return {
    data: String(values.data ?? defaultDataFolder()),
    destroy: values.destroy === true,
    yes: values.yes === true,
  };
}

export function readReportOptions(args: readonly string[]): ReportOptions {
  const { values } = parse(args, { data: { type: "string" }, output: { type: "string", short: "o" } });
  const output = values.output ?? "text";
  if (output !== "text" && output !== "json") throw new SetupError(`-o ${output} is not text or json`, "-o json");
  return { data: String(values.data ?? defaultDataFolder()), output };
}

function parse<T extends NonNullable<Parameters<typeof parseArgs>[0]>["options"]>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options: options as T & {}, strict: true, allowPositionals: false });
  } catch (error) {
    throw new SetupError((error as Error).message, "./microterm help", { cause: error });
  }
}
