/** A test of either form in the other one, and in its own. */
import { type LitmusTest, parseLitmus } from "../litmus/index.js";
import { parseHerd } from "./parse.js";
import { herdText } from "./print.js";
import { isHerdForm } from "./split.js";
import { toHerd } from "./to-herd.js";
import { islaText } from "./to-isla.js";

/**
 * The text of a test in herd's form. Throws an InputError for what is wrong, Unsupported for what that form, or this tool,
 * cannot say.
 */
export const herdForm = (text: string, file: string): string =>
  isHerdForm(text) ? herdText(parseHerd(text, file)) : toHerd(parseLitmus(text, file) satisfies LitmusTest);

/** The text of a test in isla's form; one that is in it already is left as it is. */
export function islaForm(text: string, file: string): string {
  if (isHerdForm(text)) return islaText(parseHerd(text, file));
  parseLitmus(text, file);
  return text;
}
