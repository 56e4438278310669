/** One set-up at a time in a cache: two would take each other's package lists and files away. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import { cacheFolder } from "./cache.js";

/** Says who sets up, and returns what ends that. Throws an InputError where another one is at work; one that was killed is not. */
export function holdSetUp(): () => void {
  const path = join(cacheFolder(), "setting-up");
  for (let tries = 0; ; tries++)
    try {
      mkdirSync(cacheFolder(), { recursive: true });
      writeFileSync(path, `${process.pid}\n`, { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        const reason = fileReason(error);
        throw reason === undefined ? error : InputError.at(path, 0, reason);
      }
      const pid = Number(readFileSync(path, "utf8"));
      if (tries > 0 || isRunning(pid))
        throw InputError.at(path, 0, `another set-up (process ${pid}) is at work in this cache: wait for its end`);
      rmSync(path, { force: true });
    }
}

function isRunning(pid: number): boolean {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it runs, and is somebody else's
  }
}
