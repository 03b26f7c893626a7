import { ConnectionError, readProblem } from "@microterm/sdk";
import { sessionHeaders } from "../api/session-key.ts";

export interface SendFileOptions {
  readonly environment: string;
  /** In the guest; a relative one starts at the home folder. */
  readonly path: string;
  readonly file: File;
  readonly signal: AbortSignal;
  readonly onProgress: (sentBytes: number) => void;
}

/** XMLHttpRequest, because fetch() tells no progress of what is sent. A broken upload changes nothing in the guest. */
export const sendFile = ({ environment, path, file, signal, onProgress }: SendFileOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams({ path });
    request.open("PUT", `/v1/environments/${encodeURIComponent(environment)}/files/content?${query}`);
    request.setRequestHeader("content-type", "application/octet-stream");
    for (const [name, value] of Object.entries(sessionHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded }) => onProgress(loaded);
    request.onload = () => {
      const { status, responseText } = request;
      if (status < 400) resolve();
      else void readProblem(new Response(responseText, { status })).then(reject);
    };
    request.onerror = () => reject(new ConnectionError("", "The connection broke."));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    if (signal.aborted) reject(signal.reason);
    else request.send(file);
  });
