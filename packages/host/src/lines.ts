/** What a peer did wrong when it sent a line longer than it may. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
}

/**
 * Splits a byte stream at newlines and hands on each line without its end. Holds at most `maxBytes` of an unfinished
 * line; throws {@link LineTooLong} from the call that passes it.
 */
export function createLineSplitter(maxBytes: number, onLine: (line: string) => void): (chunk: Buffer) => void {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      const tail = chunk.subarray(start, end);
      start = end + 1;
      if (pendingBytes + tail.length > maxBytes) throw new LineTooLong(`a line is longer than ${maxBytes} bytes`);
      const line = pendingBytes === 0 ? tail : Buffer.concat([...pending, tail]);
      pending = [];
      pendingBytes = 0;
      onLine(line.toString("utf8"));
    }
    if (start === chunk.length) return;
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxBytes) throw new LineTooLong(`a line is longer than ${maxBytes} bytes`);
    pending.push(chunk.subarray(start));
  };
}
