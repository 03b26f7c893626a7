/** Of this thread: a machine that stands still counts for nothing. */
export const spentMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
