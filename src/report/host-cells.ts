/** The first columns of tables of prices: host, IPA size and phase, the first two named once. */

interface OnHost {
  readonly host: string;
  readonly ipaBits: number;
  readonly phase: string;
}

/** Heads of {@link hostCells}. */
export const HOST_HEADS = ["host", "bits", "phase"] as const;
export const HOST_ALIGN = ["left", "right", "left"] as const;

/** The cells of each row, which stand host by host. A price that does not depend on the IPA size has "any". */
export function hostCells<T extends OnHost>(rows: readonly T[], isNested: (row: T) => boolean): string[][] {
  return rows.map((row, i) => {
    const before = rows[i - 1];
    const sameHost = before?.host === row.host;
    const sameBits = sameHost && before?.ipaBits === row.ipaBits;
    const bits = isNested(row) ? String(row.ipaBits) : "any";
    return [sameHost ? "" : row.host, sameBits ? "" : bits, row.phase];
  });
}

/** Rows host by host, and IPA size by IPA size where the host is nested: elsewhere only those of the first size. */
export function byHost<T extends OnHost>(rows: readonly T[], isNested: (row: T) => boolean): T[] {
  return [...new Set(rows.map((row) => row.host))].flatMap((host) => {
    const own = rows.filter((row) => row.host === host);
    return [...new Set(own.map((row) => row.ipaBits))]
      .slice(0, own.some(isNested) ? undefined : 1)
      .flatMap((bits) => own.filter((row) => row.ipaBits === bits));
  });
}
