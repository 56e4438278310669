/** The first columns of tables of prices: host, IPA size and phase, the first two named once. */
import type { ColumnOf } from "./table.js";

interface OnHost {
  readonly host: string;
  readonly ipaBits: number;
  readonly phase: string;
}

/** Host, IPA size and phase (or what stands in its place) of rows host by host. A price that does not depend on the IPA size has "any". */
export const hostColumns = <T extends OnHost>(
  isNested: (row: T) => boolean,
  phase = "phase",
): readonly ColumnOf<T>[] => [
  { head: "host", kind: "words", once: true, of: (row) => row.host },
  {
    ...{ head: "bits", key: "ipa_bits", kind: "id", once: true },
    of: (row) => (isNested(row) ? row.ipaBits : null),
    text: (row) => (isNested(row) ? String(row.ipaBits) : "any"),
  },
  { head: phase, kind: "words", of: (row) => row.phase },
];

/** Rows host by host, and IPA size by IPA size where the host is nested: elsewhere only those of the first size. */
export function byHost<T extends OnHost>(rows: readonly T[], isNested: (row: T) => boolean): T[] {
  return [...new Set(rows.map((row) => row.host))].flatMap((host) => {
    const own = rows.filter((row) => row.host === host);
    return [...new Set(own.map((row) => row.ipaBits))]
      .slice(0, own.some(isNested) ? undefined : 1)
      .flatMap((bits) => own.filter((row) => row.ipaBits === bits));
  });
}
