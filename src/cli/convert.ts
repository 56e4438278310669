/** `litmus --to FORM`: tests as other tools read them, printed or saved. */
import type { LitmusFile } from "../catalog/index.js";
import { InputError } from "../input/index.js";
import { convertLitmus, type Form, saveConverted } from "../jobs/index.js";
import { convertedText } from "../report/index.js";
import { ExitStatus, outputWidth, print, printFile, printJson, say } from "./output.js";

interface ConvertOptions {
  readonly json?: boolean;
  readonly save?: string;
}

/** Converts; one test is printed unless there is a folder to save it in. */
export function convert(files: readonly LitmusFile[], form: Form, { json, save }: ConvertOptions): void {
  const converted = convertLitmus(files, form);
  const [first] = converted;
  if (converted.length === 1 && first !== undefined && !("text" in first))
    throw new InputError("wrong" in first ? first.reason : `${first.file}: ${first.reason}`);
  if (converted.length > 1 && save === undefined && !json)
    throw new InputError(
      `--to ${form}: ${converted.length} tests, expected one, or --save with a folder to write them to`,
    );
  if (save !== undefined) saveConverted(converted, form, save);
  if (json) printJson({ form, tests: converted });
  else if (save === undefined) printFile((first as { text: string }).text);
  else print(convertedText(converted, form, save, outputWidth()));
  const wrong = converted.flatMap((one) => ("reason" in one && one.wrong ? [one.reason] : []));
  for (const message of wrong) say(`shootdown: ${message}\n`);
  if (wrong.length > 0) throw new ExitStatus(1);
}
