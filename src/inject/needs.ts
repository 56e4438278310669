/** What a program needs of the build that it is put into. */
import { asksLeaf, asksPages, type InjectedProgram } from "./program.js";

export interface Needs {
  /** a wrapper around __p2m_set_entry: which entry, and whether this call has one to flush */
  readonly wraps: boolean;
  /** a list of what is pending until the lock is released */
  readonly lists: boolean;
  /** what was there before is asked of p2m_get_entry: for revoke code that must know a leaf, for split code about pages */
  readonly revokeLeaf: boolean;
  readonly splitPages: boolean;
  /** revoke code is about pages */
  readonly revokePages: boolean;
  /** code at the flush */
  readonly flushes: boolean;
}

/** What a program needs of the build. */
export function needsOf({ code, atOnce }: InjectedProgram): Needs {
  const [revoke, split] = [code.get("revoke"), code.get("split") ?? []];
  const lists = revoke !== undefined && revoke.length > 0 && !atOnce && asksPages(revoke);
  const records = revoke !== undefined && asksPages(revoke);
  const splitPages = asksPages(split);
  return {
    wraps: splitPages || lists || (revoke !== undefined && (atOnce || revoke.length === 0)),
    lists,
    revokePages: records,
    revokeLeaf: records && asksLeaf(revoke),
    splitPages,
    flushes: [...code].some(
      ([occasion, body]) => occasion !== "switch" && !(occasion === "revoke" && body.length === 0),
    ),
  };
}
