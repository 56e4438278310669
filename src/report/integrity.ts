/** What is said of a trace that does not vouch for itself. */
import type { TraceSide } from "../compare/index.js";

const WORDS: Readonly<Record<TraceSide["integrity"], string>> = {
  checked: "",
  unchecked: "",
  partial: "partial: it has no end line and may be cut off",
  unread: "",
};

/** What stands beside the number of events of a trace; "" where there is nothing to say, or it is said aside. */
export const integrityWords = (integrity: TraceSide["integrity"]): string => WORDS[integrity];
