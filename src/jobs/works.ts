/** What a worker thread does, in whatever thread: jobs by the files that say how. */

/** A job on its way: `file` is one of those that were loaded. */
export interface Sent {
  readonly file: string;
  readonly job: unknown;
}

/** What came of a job. */
export type Outcome = { readonly answer: unknown } | { readonly error: unknown };

/** Loads files, each with the work as its default export; resolves with what does their jobs, one at a time. */
export async function loadWorks(files: readonly string[]): Promise<(sent: Sent) => Outcome> {
  const works = new Map<string, (job: unknown) => unknown>();
  for (const file of files) works.set(file, ((await import(file)) as { default: (job: unknown) => unknown }).default);
  return ({ file, job }) => {
    try {
      return { answer: works.get(file)!(job) };
    } catch (error) {
      return { error };
    }
  };
}
