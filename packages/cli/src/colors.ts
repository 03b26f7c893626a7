import colors from "picocolors";

/** The library's own test looks at stdout alone, and takes CI for a terminal. */
const wants = (stream: NodeJS.WriteStream) =>
  stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb";

export const onStdout = colors.createColors(wants(process.stdout));
export const onStderr = colors.createColors(wants(process.stderr));
