import { printableJson, printableYaml } from "@microterm/protocol";

export const REPORT_FORMATS = ["text", "json", "yaml"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** Prints a report as data, or in the words for people that `text` has for it. */
export async function printReport(report: unknown, format: ReportFormat, text: () => string): Promise<void> {
  switch (format) {
    case "text":
      return void process.stdout.write(text());
    case "json":
      return void process.stdout.write(`${printableJson(report)}\n`);
    case "yaml":
      return void process.stdout.write(`${await printableYaml(report)}\n`);
  }
}
