/** Half of a secret whose other half is a cookie, which alone is sent to every port of this host. */
export interface KeptKey {
  /** Null: there is none. */
  read(): string | null;
  /** Null forgets it. */
  keep(key: string | null): void;
}

/** In the storage of this page's origin; where the browser keeps nothing for it, for as long as the page is open. */
export const createKeptKey = (name: string): KeptKey => {
  let held: string | null = null;
  return {
    read() {
      try {
        return held ?? localStorage.getItem(name);
      } catch {
        return held;
      }
    },
    keep(key) {
      held = null;
      try {
        if (key === null) localStorage.removeItem(name);
        else localStorage.setItem(name, key);
      } catch {
        held = key;
      }
    },
  };
};
