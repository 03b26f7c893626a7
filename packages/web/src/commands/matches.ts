/** Does every word that was typed begin a word of the name, or stand in it? Case and accents are the same. */
export const matches = (name: string, typed: string): boolean => {
  const plain = plainOf(name);
  return plainOf(typed)
    .split(/\s+/)
    .every((word) => plain.includes(word));
};

const plainOf = (text: string): string =>
  text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase()
    .trim();
