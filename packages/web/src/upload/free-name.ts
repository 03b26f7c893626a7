/** How many names are tried: `report.txt`, `report-2.txt` to `report-99.txt`. */
const MOST = 99;

/** The first of the names that is not taken: nothing is overwritten by a drop. Null when all are. */
export const freeName = async (name: string, isTaken: (name: string) => Promise<boolean>): Promise<string | null> => {
  // `.bashrc` is a name and no ending, `a.tar.gz` ends in both.
  const [, stem = name, ending = ""] = /^(.[^.]*)(\..*)?$/s.exec(name) ?? [];
  for (let n = 1; n <= MOST; n++) {
    const candidate = n === 1 ? name : `${stem}-${n}${ending}`;
    if (!(await isTaken(candidate))) return candidate;
  }
  return null;
};
