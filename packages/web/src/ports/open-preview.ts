import { client } from "../api/queries.ts";

/**
 * Opens a port in a tab of its own, which has to be made before the ticket is asked for: browsers allow it during the click alone.
 * The tab cannot reach this page: it has no opener, and this page's opener policy would not let it.
 */
export const openPreview = async (environment: string, port: number): Promise<void> => {
  const tab = window.open("about:blank", "_blank");
  if (tab === null) throw new Error("The browser did not open a new tab. Allow pop-ups for this page, and try again.");
  tab.opener = null;
  try {
    const { url } = await client.previews.ticket(environment, port);
    tab.location.replace(url);
  } catch (error) {
    tab.close();
    throw error;
  }
};

/** Safari, and with it every browser of an iPhone or iPad, asks the network for names below `localhost`, and finds none. */
export const resolvesLocalhost = (userAgent: string): boolean =>
  !/\bSafari\//.test(userAgent) || /Chrom(?:e|ium)\/|Android/.test(userAgent);
