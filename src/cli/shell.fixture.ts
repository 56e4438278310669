/**
 * `shootdown` for shells of tests: a command to put on their PATH that hands its words to this process, which does the work as
 * `run` does it, one command after the other, and prints what comes back. A shell keeps its pipes, files and statuses; what a
 * process of its own costs each time (loading, compiling, threads) is paid once.
 */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { shootdown, type Written } from "./command.fixture.js";

/** What the command of the shell asks: its words, in which folder and for how many columns. */
interface Request {
  readonly folder: string;
  readonly columns: string;
  readonly words: readonly string[];
}

/**
 * The command: leaves its words, and standard input where a word asks for it by "-", in a folder of its own, says so, waits, and
 * then runs what it finds there. A shell's own, since a Node.js for each would cost more than what most commands do.
 */
const CLIENT = (folder: string): string => `#!/bin/sh
at=$(mktemp -d ${folder}/run-XXXXXX) || exit
printf '%s\\0' "$PWD" "$COLUMNS" "$@" >"$at/words"
for word; do
  case ,$word, in *,-,*) cat >"$at/stdin"; break;; esac
done
mkfifo "$at/done"
echo "$at" >${folder}/requests
read -r status <"$at/done"
. "$at/written"
exit "$status"
`;

const requestOf = (at: string): Request => {
  const [folder, columns, ...words] = readFileSync(join(at, "words"), "utf8").split("\0").slice(0, -1);
  return { folder: folder!, columns: columns!, words };
};

/** Leaves what a command has written, and a script that writes it again, in the same order to the same descriptors. */
function leave(at: string, written: Written): void {
  written.forEach(([, text], i) => {
    writeFileSync(join(at, `${i}`), text);
  });
  writeFileSync(join(at, "written"), written.map(([fd], i) => `cat "$at/${i}" >&${fd}\n`).join(""));
}

/** Puts the command into `folder`, whose path has no blank; resolves when it can be used, with what ends that. */
export async function shellCommand(folder: string): Promise<() => void> {
  const home = process.cwd();
  const work = async (at: string): Promise<number | null> => {
    const { folder, columns, words } = requestOf(at);
    const stdin = existsSync(join(at, "stdin")) ? readFileSync(join(at, "stdin")) : "";
    process.chdir(folder);
    try {
      const { status, written } = await shootdown(words, {
        stdin,
        ...(columns === "" ? {} : { columns: Number(columns) }),
      });
      leave(at, written);
      return status;
    } catch (error) {
      leave(at, [[2, `${(error as Error).stack}\n`]]);
      return 1;
    } finally {
      process.chdir(home);
    }
  };
  execFileSync("mkfifo", [join(folder, "requests")]);
  // Open for writing too: else it would end with each who has asked.
  const requests = createReadStream(join(folder, "requests"), { flags: "r+", encoding: "utf8" });
  await once(requests, "open");
  const lines = createInterface({ input: requests });
  let last: Promise<unknown> = Promise.resolve();
  lines.on("line", (at) => {
    last = last.then(async () => writeFile(join(at, "done"), `${await work(at)}\n`)).catch(() => undefined);
  });
  const command = join(folder, "shootdown");
  writeFileSync(command, CLIENT(folder));
  chmodSync(command, 0o755);
  return () => {
    lines.close();
    requests.destroy();
    // A read of the pipe may still wait, and the process with it. Or none does: to write alone would wait for a reader.
    writeFileSync(join(folder, "requests"), "\n", { flag: "r+" });
  };
}
