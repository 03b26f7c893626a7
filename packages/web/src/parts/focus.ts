/**
 * After a click on a button beside a terminal, typing goes on in the terminal: with the focus left on the button, the next
 * line would go to the button, and Enter would press it again. After use by keys, the focus stays where the keys have led.
 */

/** The input of the terminal that is looked at and not covered; null where there is none. */
const terminalInput = (): HTMLElement | null =>
  [...document.querySelectorAll<HTMLElement>("[data-terminal] textarea")].find((one) => !one.closest("[inert]")) ??
  null;

/** For what ends without a popup: the focus would be lost with it. */
export const focusTerminal = (): void => terminalInput()?.focus({ preventScroll: true });

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

/** Base UI's attribute, which a popup loses when it begins to close. */
const OPEN_POPUP = '[data-open]:is([role="dialog"], [role="alertdialog"], [role="menu"])';

/**
 * For `finalFocus`: where the focus goes when something closes that lay over the page. `true`: to what had opened it.
 * `false`: it stays where it is. Base UI asks at the end of the closing animation, and moves the focus to whatever is
 * answered: a dialog that a menu's item has opened meanwhile would lose it to the terminal behind it.
 */
export const focusAfterClose = (): HTMLElement | boolean => {
  if (document.querySelector(OPEN_POPUP) !== null) return false;
  return isByPointer ? (terminalInput() ?? true) : true;
};
