/**
 * `shootdown` for shells of tests: a command to put on their PATH that hands its words to this process, which does the work as
 * `run` does it, one command after the other, and prints what comes back. A shell keeps its pipes, files and statuses; what a
 * process of its own costs each time (loading, compiling, threads) is paid once.
 */

import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { shootdown } from "./command.fixture.js";

/** What the command of the shell sends; standard input, as base64, only where a word asks for it by "-". */
interface Request {
  readonly folder: string;
  readonly words: readonly string[];
  readonly columns: string | undefined;
  readonly stdin: string;
}

const CLIENT = (socket: string): string => `#!${process.execPath}
const { readFileSync, writeSync } = require("node:fs");
const words = process.argv.slice(2);
const wanted = words.some((word) => word.split(",").includes("-"));
const stdin = wanted ? readFileSync(0).toString("base64") : "";
const { COLUMNS: columns } = process.env;
let answer = "";
require("node:net")
  .connect(${JSON.stringify(socket)})
  .on("data", (bytes) => { answer += bytes; })
  .on("end", () => {
    const { written, status } = JSON.parse(answer);
    try {
      for (const [fd, text] of written) for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (error.code !== "EPIPE") throw error;
    }
    process.exitCode = status;
  })
  .end(JSON.stringify({ folder: process.cwd(), words, columns, stdin }));
`;

/** Puts the command into `folder`; resolves when it can be used, with what ends that. */
export async function shellCommand(folder: string): Promise<() => void> {
  const home = process.cwd();
  let last: Promise<unknown> = Promise.resolve();
  const answer = async (to: Socket): Promise<void> => {
    // Not by iteration, which closes the way back too.
    let sent = "";
    to.setEncoding("utf8").on("data", (text: string) => {
      sent += text;
    });
    await once(to, "end");
    const { folder, words, columns, stdin }: Request = JSON.parse(sent);
    const work = last.then(async () => {
      process.chdir(folder);
      try {
        return await shootdown(words, {
          stdin: Buffer.from(stdin, "base64"),
          ...(columns === undefined ? {} : { columns: Number(columns) }),
        });
      } finally {
        process.chdir(home);
      }
    });
    last = work.catch(() => undefined);
    const { status, written } = await work;
    to.end(JSON.stringify({ status, written }));
  };
  const socket = join(folder, "socket");
  const server = createServer({ allowHalfOpen: true }, (to) => {
    answer(to).catch((error: Error) => to.end(JSON.stringify({ status: 1, written: [[2, `${error.stack}\n`]] })));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const command = join(folder, "shootdown");
  writeFileSync(command, CLIENT(socket));
  chmodSync(command, 0o755);
  return () => server.close();
}
