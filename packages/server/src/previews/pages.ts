import type { ServerResponse } from "node:http";
import { ERRORS, hintOf, type PlatformError } from "@microterm/protocol";
import { type MessagePage, messagePage } from "../http/message-page.ts";
import { SECURITY_HEADERS } from "../http/security-headers.ts";
import type { PreviewHost } from "./hosts.ts";

/** Answers with a page of ours on a preview's origin, or its text for a program. */
export function sendPage(
  response: ServerResponse,
  {
    status,
    isForPerson,
    headers = {},
    ...page
  }: MessagePage & {
    readonly status: number;
    readonly isForPerson: boolean;
    readonly headers?: Readonly<Record<string, string>>;
  },
): void {
  if (response.headersSent || response.destroyed) return;
  const text = [page.title, ...page.paragraphs, page.command ?? ""].filter((line) => line !== "").join("\n");
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    "content-type": isForPerson ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
    "cache-control": "no-store",
    ...headers,
  });
  response.end(isForPerson ? messagePage(page) : `${text}\n`);
}

/** What is said of an error on the way to the program. */
export function errorPage(error: PlatformError, { port }: PreviewHost): MessagePage & { readonly status: number } {
  const { status } = ERRORS[error.code];
  switch (error.code) {
    case "PORT_REFUSED":
      return {
        status,
        title: `Nothing listens on port ${port}`,
        paragraphs: [
          `No program in the environment accepts connections on port ${port} of 127.0.0.1 or ::1. Start one in a terminal there, and load this page again. For example:`,
        ],
        command: `python3 -m http.server ${port} --bind 127.0.0.1`,
      };
    case "PREVIEW_ANSWER":
      return {
        status,
        title: `Port ${port} does not speak HTTP`,
        paragraphs: [
          "A program listens there, but its answer is not valid HTTP, or it closed the connection without one. Another protocol is reached with:",
        ],
        command: `./microterm port-forward NAME ${port}`,
      };
    case "UNSUPPORTED":
      return {
        status,
        title: "Ports are not available in this environment yet",
        paragraphs: ["It was started by an older version of microterm. They are once it is stopped and started again."],
      };
    default:
      return { status, title: `Port ${port} cannot be reached`, paragraphs: [`${error.message}.`, hintOf(error)] };
  }
}
