/** What `shootdown web` and `shootdown worker` say. */

/** Where the page is, and how it ends. */
export const servingText = (url: string): string =>
  `The page is at ${url} for browsers on this machine; Ctrl-C ends it.\n`;

/** What a worker of a queue says when it has joined; `build` as its build calls itself. */
export const workerText = (build: string, queue: string, jobs: number): string =>
  `A worker of shootdown ${build} takes jobs from ${queue}, ${jobs} at a time; Ctrl-C ends it.\n`;
