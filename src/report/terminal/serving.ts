/** What `shootdown web` says. */

/** Where the page is, and how it ends. */
export const servingText = (url: string): string =>
  `The page is at ${url} for browsers on this machine; Ctrl-C ends it.\n`;
