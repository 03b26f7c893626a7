/**
 * Whoever clicks on a button beside a terminal goes on typing into the terminal: a focus left on the button would take the
 * next line for its own, and Enter would press it again. Whoever came by keys stays where the keys have led.
 */

/** The input of the terminal that is looked at and not covered; null where there is none. */
const terminalInput = (): HTMLElement | null =>
  [...document.querySelectorAll<HTMLElement>("[data-terminal] textarea")].find((one) => !one.closest("[inert]")) ??
  null;

let isByPointer = false;

export const keepTerminalFocus = (): void => {
  let isTouch = false;
  addEventListener(
    "pointerdown",
    ({ pointerType }) => {
      isTouch = pointerType === "touch";
    },
    { capture: true },
  );
  addEventListener(
    "mousedown",
    (event) => {
      const control = event.target instanceof Element ? event.target.closest("#root :is(button, a)") : null;
      const input = terminalInput();
      // On a phone the focus would open the keyboard.
      if (control === null || input === null || isTouch) return;
      isByPointer = true;
      // A press moves the focus to what is pressed, unless it is prevented.
      event.preventDefault();
      input.focus({ preventScroll: true });
    },
    { capture: true },
  );
  addEventListener(
    "keydown",
    ({ target }) => {
      if (target instanceof Element && target.closest("#root :is(button, a)")) isByPointer = false;
    },
    { capture: true },
  );
};

/** For `finalFocus`: where the focus goes when something closes that lay over the page. `true`: to what had opened it. */
export const focusAfterClose = (): HTMLElement | true => (isByPointer ? (terminalInput() ?? true) : true);
