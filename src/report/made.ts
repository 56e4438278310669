/** What a result was made from and how, so that somebody else can make it again and see that it is the same. */
import { NO_BREAK } from "./format.js";

export interface Made {
  readonly version: string;
  /** the command line, for a shell to repeat */
  readonly command: string;
  readonly inputs: readonly Input[];
}

/** A file that was read, and the SHA-256 of its bytes in hexadecimal. */
interface Input {
  readonly file: string;
  readonly sha256: string;
}

/** Digits of a hash that are shown: 48 bits, to tell versions of a file apart. */
const SHOWN = 12;
export const shortened = ({ sha256 }: Input): string => sha256.slice(0, SHOWN);

/** In sentences: version and command, and the inputs. */
export function madeSentences({ version, command, inputs }: Made): readonly string[] {
  const files = inputs.map((input) => `${input.file}${NO_BREAK}${shortened(input)}`).join(", ");
  return [`Made by shootdown ${version}: ${command}`, ...(files === "" ? [] : [`From (SHA-256, ${SHOWN} digits): ${files}`])]; // biome-ignore format: one row
}
