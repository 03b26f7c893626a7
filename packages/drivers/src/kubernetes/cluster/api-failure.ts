import { PlatformError, plainText } from "@microterm/protocol";
import { z } from "zod";

/** A refusal of the API server's as the library throws it; its body is parsed, or the text that it was. */
const Refusal = z.object({ code: z.number(), body: z.unknown() });
const Status = z.object({ message: z.string() });

export function refusalOf(error: unknown): { readonly code: number; readonly message: string } | null {
  const refusal = Refusal.safeParse(error);
  if (!refusal.success) return null;
  const { code, body } = refusal.data;
  const status = Status.safeParse(typeof body === "string" ? parseJson(body) : body);
  const said = status.success ? status.data.message : "it does not say why";
  return { code, message: plainText(said, { layout: "line", max: 500 }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What a quota that is exhausted means to who has asked. */
export type Shortage = "HOST_OUT_OF_MEMORY" | "HOST_OUT_OF_DISK";

/** What callers see of a cluster that refuses, or does not answer. */
export function apiFailure(error: unknown, ofQuota: Shortage = "HOST_OUT_OF_MEMORY"): PlatformError {
  const refusal = refusalOf(error);
  if (refusal === null) {
    return new PlatformError("HOST_DAEMON_UNAVAILABLE", "the cluster's API server does not answer", { cause: error });
  }
  const { code, message } = refusal;
  if (code === 403 && message.includes("exceeded quota")) {
    return new PlatformError(ofQuota, `the cluster's quota is exhausted: ${message}`, { cause: error });
  }
  if (code >= 500 || code === 429 || code === 401) {
    return new PlatformError("HOST_DAEMON_UNAVAILABLE", `the cluster's API server answers ${code}: ${message}`, {
      cause: error,
    });
  }
  return new PlatformError("MACHINE_BOOT_FAILED", `the cluster refuses (${code}): ${message}`, { cause: error });
}

/** A refusal tells nothing of a machine that may well run: who is told that it is dead removes it. */
export function untold(error: unknown): unknown {
  if (!(error instanceof PlatformError) || error.code !== "MACHINE_BOOT_FAILED") return error;
  return new PlatformError("HOST_DAEMON_UNAVAILABLE", error.message, { cause: error });
}
