import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConsoleLog, failedLog, keepLog } from "./console.js";
import { captureScenario, dom0Init } from "./scenario.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-console-"));
after(() => rmSync(folder, { recursive: true }));
const PANIC = "[    2.8] Kernel panic - not syncing: VFS: Unable to mount root fs";

function read(text: string): ConsoleLog {
  const path = join(folder, "console");
  writeFileSync(path, text);
  const log = new ConsoleLog(path);
  log.poll();
  return log;
}

test("a panic is dom0's, unless dom0 shows the domU's console", () => {
  assert.equal(read(`${PANIC}\n`).failure, "dom0's kernel panics: VFS: Unable to mount root fs");
  const log = read(`shootdown: created\r\ndomU: ${PANIC}\r\nshootdown: failed: the domU's kernel panics\r\n`);
  assert.equal(log.failure, "the domU's kernel panics");
  assert.match(log.tail, /domU: .*Unable to mount root fs/);
});

const DOMU = { memoryMib: 128, vcpus: 1 };

test("only a domU of the user's own is watched", () => {
  const scenario = captureScenario("create-domu")!;
  assert.ok(!dom0Init(scenario, DOMU, { own: [], debian: [] }, false).includes("Kernel panic"));
  assert.ok(dom0Init(scenario, DOMU, { own: [], debian: [] }, true).includes("Kernel panic"));
});

test("a log is kept whole or not at all, and what cannot be kept is not claimed", () => {
  const to = join(folder, "a.console.log");
  writeFileSync(to, "of an earlier capture");
  assert.equal(failedLog(to), join(folder, "a.failed.console.log"));
  assert.equal(keepLog(join(folder, "none"), to), undefined);
  assert.equal(readFileSync(to, "utf8"), "of an earlier capture");
  writeFileSync(join(folder, "new"), "of this one");
  assert.equal(keepLog(join(folder, "new"), to), to);
  assert.equal(readFileSync(to, "utf8"), "of this one");
  assert.ok(!readdirSync(folder).some((name) => name.includes("partial")));
});
