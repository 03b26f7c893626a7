/** The second click of a double click, where the first has put another control under the pointer, which was not meant. */

interface Click {
  readonly at: number;
  readonly x: number;
  readonly y: number;
  readonly control: unknown;
}

/** Milliseconds and pixels that may lie between the two clicks of one double click. */
const DOUBLE_MS = 500;
const DOUBLE_PX = 10;

export const isStray = (before: Click | null, click: Click): boolean =>
  before !== null &&
  click.control !== before.control &&
  click.at - before.at < DOUBLE_MS &&
  Math.hypot(click.x - before.x, click.y - before.y) < DOUBLE_PX;

/** Drops stray clicks on what stands in a `data-no-stray-click`. */
export const dropStrayClicks = (): void => {
  let before: Click | null = null;
  const onClick = (event: MouseEvent): void => {
    // 0: from the keyboard or a script.
    if (event.detail === 0 || !(event.target instanceof Element)) return;
    const click = {
      at: event.timeStamp,
      x: event.clientX,
      y: event.clientY,
      control: event.target.closest("button, a"),
    };
    if (isStray(before, click) && event.target.closest("[data-no-stray-click]")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else {
      before = click;
    }
  };
  addEventListener("click", onClick, { capture: true });
};
