import type { PageObject } from "./page.ts";

/** What a person sees in one cell of a terminal, by its pixels alone. */
export interface CellPixels {
  /** Something is drawn in it: its inside is not all of one brightness. */
  readonly hasInk: boolean;
  /** `rgb(r, g, b)` of its upper left, where few characters reach. */
  readonly corner: string;
}

/** Brightness of 0–255 by which a pixel must differ from its neighbours to be ink: less than any text's contrast, more than smoothing's. */
const INK = 56;

/** Runs in a page, because a browser has a PNG decoder. The tests' own types have no DOM, so it is text. */
const READ_CELLS = `async ([png, columns, rows, ink]) => {
  const answer = await fetch("data:image/png;base64," + png);
  const image = await createImageBitmap(await answer.blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const [width, height] = [image.width / columns, image.height / rows];
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const pixel = (x, y) => data.subarray(4 * (y * image.width + x), 4 * (y * image.width + x) + 3);
  return Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => {
    // The outermost pixels belong to neighbours' overhang.
    const [left, right] = [Math.ceil(column * width) + 1, Math.floor((column + 1) * width) - 1];
    const [top, bottom] = [Math.ceil(row * height) + 1, Math.floor((row + 1) * height) - 1];
    let [min, max] = [255, 0];
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) {
      const [r, g, b] = pixel(x, y);
      const brightness = 0.3 * r + 0.59 * g + 0.11 * b;
      [min, max] = [Math.min(min, brightness), Math.max(max, brightness)];
    }
    return { hasInk: max - min >= ink, corner: "rgb(" + pixel(left, top).join(", ") + ")" };
  }));
}`;

/** The terminal of the page as rows of cells, from a screenshot: the only way to see what WebGL has drawn. */
export async function readPixels(page: PageObject): Promise<readonly (readonly CellPixels[])[]> {
  const { columns, rows } = await page.size();
  const png = await page.page.locator("[data-terminal] .xterm-screen").screenshot({ animations: "allow" });
  const decoder = await page.context.newPage();
  const cells = await decoder.evaluate<CellPixels[][]>(
    `(${READ_CELLS})(${JSON.stringify([png.toString("base64"), columns, rows, INK])})`,
  );
  await decoder.close();
  return cells;
}

/** Where pixels and text disagree, as `row:column 'character'`: a character of which nothing is seen, or ink where none belongs. */
export function differences(cells: readonly (readonly CellPixels[])[], text: readonly string[]): readonly string[] {
  return cells.flatMap((row, y) =>
    row.flatMap(({ hasInk }, x) => {
      const character = text[y]?.[x] ?? " ";
      return hasInk === (character !== " ") ? [] : [`${y}:${x} '${character}'`];
    }),
  );
}
