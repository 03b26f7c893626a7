/** Where to go after a sign-in. */

const HOME = "/";
/** What the router has pages for: no other site's address, and none that a browser reads as one (`//host`, `/\\host`). */
const OWN = /^\/(?:$|[\w-][\w\-./]*(?:\?[\w\-.=&%]*)?$)/;

/** A path of this page's own; that of the list in place of anything else. */
export const ownPath = (to: string | null): string =>
  to !== null && to.length <= 512 && OWN.test(to) && !to.startsWith("/v1/") && !to.startsWith("/sign-in") ? to : HOME;

/** The sign-in page, which leads back to where one is. */
export const signInAddress = (): string => {
  const to = ownPath(location.pathname + location.search);
  return to === HOME ? "/sign-in" : `/sign-in?to=${encodeURIComponent(to)}`;
};
