/** One set-up at a time in a cache: two would take each other's package lists and files away. */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";
import { cacheFolder } from "./cache.js";

/** Says who sets up, and returns what ends that. Throws an InputError where another one is at work; one that was killed is not. */
export function holdSetUp(): () => void {
  const path = join(cacheFolder(), "setting-up");
  // Whole before it has its name: half of it would pass for that of one that was killed.
  const beside = `${path}.${process.pid}`;
  try {
    mkdirSync(cacheFolder(), { recursive: true });
    writeFileSync(beside, `${process.pid}\n`);
    for (let tries = 0; !isNamed(beside, path); tries++) {
      const pid = Number(readFileSync(path, "utf8"));
      if (tries > 0 || isRunning(pid))
        throw InputError.at(path, 0, `another set-up (process ${pid}) is at work in this cache: wait for its end`);
      rmSync(path, { force: true });
    }
    return () => rmSync(path, { force: true });
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(path, 0, reason);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Gives a file its name; false where that is taken. */
function isNamed(file: string, path: string): boolean {
  try {
    linkSync(file, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it runs, and is somebody else's
  }
}
