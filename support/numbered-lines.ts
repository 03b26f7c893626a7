const CHUNK_LINES = 4096;

/** The bytes of `seq FIRST (FIRST + CHUNK_LINES - 1)`. */
function chunkFrom(first: number): Buffer {
  let text = "";
  for (let number = first; number < first + CHUNK_LINES; number++) text += `${number}\n`;
  return Buffer.from(text, "latin1");
}

/**
 * Checks a stream that is cut anywhere against what `seq 1 …` prints. The function takes the next bytes and says where they first
 * differ, or null. The last line may be cut short by `limit` bytes in all; what follows is not looked at.
 */
export function numberedLines(limit: number): (bytes: Uint8Array) => string | null {
  let first = 1;
  let chunk = chunkFrom(first);
  let at = 0;
  let checked = 0;
  return (bytes) => {
    for (let done = 0; done < bytes.length && checked < limit; ) {
      if (at === chunk.length) {
        first += CHUNK_LINES;
        chunk = chunkFrom(first);
        at = 0;
      }
      const length = Math.min(bytes.length - done, chunk.length - at, limit - checked);
      const [found, due] = [bytes.subarray(done, done + length), chunk.subarray(at, at + length)];
      if (due.compare(found) !== 0) {
        const where = due.findIndex((byte, index) => byte !== found[index]);
        const shown = (part: Uint8Array) =>
          JSON.stringify(Buffer.from(part.subarray(where, where + 40)).toString("latin1"));
        return `byte ${checked + where} of the count: ${shown(found)} where ${shown(due)} was due`;
      }
      done += length;
      at += length;
      checked += length;
    }
    return null;
  };
}
