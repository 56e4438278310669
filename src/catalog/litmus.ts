/** Litmus tests: those that are built in, by name or folder, and files and folders of the user's own. */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { STANDARD_INPUT } from "../files/index.js";
import { fileReason, InputError } from "../input/index.js";

/** The folder of the project's own litmus tests. */
const LITMUS_FOLDER = fileURLToPath(new URL("../../litmus", import.meta.url));

/** A file, and how it is called in what is printed. */
export interface LitmusFile {
  readonly path: string;
  readonly file: string;
}

const BUILT_IN = {
  /** The built-in tests of a folder by its name ("stage-2"; "" = all), or the one of that name, alone or as output calls its file. */
  in: (name: string): LitmusFile[] =>
    testFilesIn(LITMUS_FOLDER)
      .filter((file) => {
        const stem = file.replace(/\.(toml|litmus)$/, "");
        return (
          name === "" || file.startsWith(`${name}/`) || [basename(stem), stem, file, `litmus/${file}`].includes(name)
        );
      })
      .map((file) => ({ path: join(LITMUS_FOLDER, file), file: `litmus/${file}` })),
};

/** The .toml and .litmus files of a folder and those below it, by their names from there; links to folders are not followed. */
function testFilesIn(folder: string): string[] {
  const found: string[] = [];
  const walk = (below: string): void => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const name = join(below, entry.name);
      if (entry.isDirectory()) walk(name);
      else if (name.endsWith(".toml") || name.endsWith(".litmus")) found.push(name);
    }
  };
  walk("");
  return found.sort();
}

/** The tests at a path, in order: the file itself, the .toml and .litmus files of a folder and those below it, or built-in ones. */
function testsAt(path: string): LitmusFile[] {
  if (path === "-") return [{ path, file: STANDARD_INPUT }];
  try {
    if (!statSync(path).isDirectory()) return [{ path, file: path }];
    const found = testFilesIn(path).map((file) => join(path, file));
    if (found.length === 0) throw InputError.at(path, 0, "no test is in this folder, expected .toml or .litmus files");
    return found.map((file) => ({ path: file, file }));
  } catch (error) {
    const builtIn = BUILT_IN.in(path);
    if (builtIn.length > 0) return builtIn;
    const reason = fileReason(error);
    throw reason === undefined
      ? error
      : InputError.at(path, 0, `${reason}, expected a litmus test or a folder of them`);
  }
}

/** The tests at paths, each file once; all built-in ones where none is named. Throws an InputError for what is no path to tests. */
export function litmusFiles(paths: readonly string[]): LitmusFile[] {
  const tests = paths.length === 0 ? BUILT_IN.in("") : paths.flatMap(testsAt);
  return tests.filter(({ path }, i, all) => all.findIndex((other) => other.path === path) === i);
}
