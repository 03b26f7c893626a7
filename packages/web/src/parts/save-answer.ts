/** The name in `Content-Disposition` (RFC 6266), where it is a plain one. */
const nameOf = (header: string | null): string | null => /filename="([\w. -]+)"/.exec(header ?? "")?.[1] ?? null;

/** Gives a file's bytes to the browser's downloads. A link could not carry the session's key. `name`: where the answer has none. */
export const saveAnswer = async (answer: Response, name: string): Promise<void> => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = nameOf(answer.headers.get("content-disposition")) ?? name;
  link.click();
  // The download has its own hold on the bytes once it has begun, which is not at once.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};
