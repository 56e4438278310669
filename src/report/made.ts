/** What a result was made from and how, in words. */
import type { Input, Made } from "../jobs/index.js";
import { NO_BREAK } from "./format.js";

/** Digits of a hash that are shown: 48 bits, to tell versions of a file apart. */
const SHOWN = 12;
export const shortened = ({ sha256 }: Input): string => sha256.slice(0, SHOWN);

/** In sentences: version and command, and the inputs. */
export function madeSentences({ version, command, inputs }: Made): readonly string[] {
  const files = inputs.map((input) => `${input.file}${NO_BREAK}${shortened(input)}`).join(", ");
  return [
    `Made by shootdown ${version}: ${command}`,
    ...(files === "" ? [] : [`From (SHA-256, ${SHOWN} digits): ${files}`]),
  ];
}
