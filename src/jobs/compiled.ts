/** People's sources, with inline assembly or of assembly alone, as the object file that a compiler makes of them. */
import { readFileSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { type CodeFile, codeOf, openCode, readInput } from "../binary/index.js";
import { run, temporaryFolder } from "../capture/index.js";
import { noteBytes } from "../files/index.js";
import { fileReason, InputError } from "../input/index.js";
import { findStack } from "../stack/index.js";

/** Sources by the ends of their names. */
const SOURCES: Readonly<Record<string, string>> = {
  ".c": "C source",
  ".S": "assembly source",
  ".s": "assembly source",
};
/** What a kernel is compiled with, as far as it matters for what is executed. */
const KERNEL = "--target=aarch64-linux-gnu -mgeneral-regs-only -ffreestanding -fno-stack-protector -fno-pic".split(" ");

/**
 * Opens a file of code; a source is compiled first: by `cc`, a command with its options ("aarch64-linux-gnu-gcc -Iinclude"), or by
 * the clang of the set-up. Rejects with an InputError.
 */
export async function openCodeOrSource(
  file: string,
  cc: string | undefined,
  signal: AbortSignal | undefined,
): Promise<CodeFile> {
  const what = SOURCES[extname(file)];
  if (extname(file) === ".rs")
    throw InputError.at(
      file,
      0,
      "is Rust source, expected its object file: rustc --crate-type lib --emit obj --target aarch64-unknown-none-softfloat -C opt-level=2",
    );
  if (what === undefined) {
    if (cc !== undefined) throw new InputError(`--cc: ${file} is no source (*.c, *.S), expected one`);
    return openCode(file);
  }
  noteBytes(file, readInput(file));
  const [program, ...words] = cc?.split(/\s+/).filter((word) => word !== "") ?? setUpCompiler(file);
  const name = cc === undefined ? "clang" : cc;
  if (program === undefined) throw new InputError("--cc: is empty, expected a compiler with its options");
  const optimised = words.some((word) => word.startsWith("-O")) ? [] : ["-O2"];
  const folder = temporaryFolder("code.o");
  const object = join(folder, "code.o");
  try {
    const compile = async (...args: string[]): Promise<void> => {
      const { status, stderr } = await run(program, [...words, ...optimised, ...args], { signal });
      if (status !== 0) throw new InputError(`${file}: ${name} does not take it`, stderr.trimEnd());
    };
    // The set-up's clang can be no program of its own for a second step: of preprocessed assembly there are two.
    const preprocessed = join(folder, "code.s");
    if (extname(file) === ".S") await compile("-E", file, "-o", preprocessed);
    await compile("-c", extname(file) === ".S" ? preprocessed : file, "-o", object);
    return codeOf(file, readFileSync(object), `${what} as '${name}' compiles it`);
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : new InputError(`--cc: '${program}' cannot be run, or made nothing: ${reason}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The words of the compiler that the set-up has fetched. */
function setUpCompiler(file: string): string[] {
  const parts = findStack();
  if (parts === undefined)
    throw InputError.at(
      file,
      0,
      "is a source, and no compiler is here: run 'shootdown probe --setup' first, or name one by --cc 'aarch64-linux-gnu-gcc -I...'",
    );
  const [program, ...first] = parts.clang;
  return [program!, ...first, ...KERNEL];
}
