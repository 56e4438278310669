/** Traces that are cut off, damaged or of others, as a user of show, price and diff meets them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parquetMetadata } from "hyparquet";
import type { Done } from "./command.fixture.js";
import * as command from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-integrity-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

const shootdown = (...args: string[]): Promise<Done> => command.shootdown(args);

const HEAD = '{"shootdown":"trace","version":1}';
const BEGIN = '{"kind":"begin","name":"phase:create"}';
const TLBI = '{"kind":"tlbi","name":"VMALLS12E1IS","vmid":1,"to":"0x0"}';
const file = (name: string, ...lines: string[]): void => writeFileSync(join(folder, name), `${lines.join("\n")}\n`);

before(async () => {
  file("whole.ndjson", HEAD, BEGIN, TLBI, '{"kind":"end","name":"phase:create"}', '{"end":true,"events":3}');
  file("cut.ndjson", HEAD, BEGIN, TLBI);
  assert.equal((await shootdown("simulate", "vcpu-switch", "-p", "xen-today", "-o", "made.parquet")).status, 0);
  const bytes = readFileSync(join(folder, "made.parquet"));
  bytes.write("another.tool.256", bytes.indexOf("shootdown.sha256"), "latin1");
  writeFileSync(join(folder, "old.parquet"), bytes);
  const damaged = readFileSync(join(folder, "made.parquet"));
  // A column that each of the commands reads: what is not read is not held against its digest.
  const { columns } = parquetMetadata(Uint8Array.from(damaged).buffer).row_groups[0]!;
  const kind = columns.find(({ meta_data: of }) => of!.path_in_schema[0] === "kind")!.meta_data!;
  const at = Number(kind.dictionary_page_offset ?? kind.data_page_offset) + Number(kind.total_compressed_size) - 1;
  damaged[at] = damaged[at]! ^ 4;
  writeFileSync(join(folder, "damaged.parquet"), damaged);
});

const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ["show"],
  ["price", "--host", "bare-metal"],
  ["diff", "whole.ndjson", "--host", "bare-metal"],
];

for (const [name, ...more] of COMMANDS) {
  const run = (trace: string, ...args: string[]) => shootdown(name, ...more, trace, ...args);

  test(`${name} takes a list written by hand, with its end line`, async () => {
    const { status, err, out } = await run("whole.ndjson");
    assert.deepEqual([status, err], [0, ""]);
    assert.doesNotMatch(out, /partial/);
  });

  test(`${name} refuses a trace without its end line, and says how to take it`, async () => {
    const { status, err, out } = await run("cut.ndjson");
    assert.deepEqual([status, out], [1, ""]);
    assert.match(
      err,
      /^shootdown: cut\.ndjson:3: it has no end line {"end":true,"events":2} behind this .*--partial.*\n$/,
    );
  });

  test(`${name} --partial takes it, and says so in text and in JSON`, async () => {
    const text = await run("cut.ndjson", "--partial");
    assert.deepEqual([text.status, text.err], [0, ""]);
    assert.match(text.out.replaceAll(/\s+/g, " "), /partial: it has no end line and may be cut off/);
    const answer = JSON.parse((await run("cut.ndjson", "--partial", "--json")).out);
    assert.equal((answer.after ?? answer).integrity, "partial");
    const whole = JSON.parse((await run("whole.ndjson", "--partial", "--json")).out);
    assert.equal((whole.after ?? whole).integrity, "checked");
  });

  test(`${name} reads a Parquet trace without digests, and says that it is unchecked`, async () => {
    const { status, err } = await run("old.parquet");
    assert.equal(status, 0);
    assert.match(err, /^note: old\.parquet: no digests in it, .*: unchecked\n$/);
    const answer = JSON.parse((await run("old.parquet", "--json")).out);
    assert.equal((answer.after ?? answer).integrity, "unchecked");
    const made = JSON.parse((await run("made.parquet", "--json")).out);
    assert.equal((made.after ?? made).integrity, "checked");
  });

  test(`${name} refuses a damaged Parquet trace in one sentence`, async () => {
    const { status, err, out } = await run("damaged.parquet");
    assert.deepEqual([status, out], [1, ""]);
    assert.match(err, /^shootdown: damaged\.parquet: row 0: column '\w+' cannot be read: its bytes do not match.*\n$/);
  });

  test(`${name} refuses an end without a begin and a phase named like the whole, with their line`, async () => {
    file("end.ndjson", HEAD, TLBI, '{"kind":"end","name":"phase:create"}', '{"end":true,"events":2}');
    const { status, err, out } = await run("end.ndjson");
    assert.deepEqual([status, out], [1, ""]);
    assert.equal(err, "shootdown: end.ndjson:3: the end of 'phase:create', which was not begun\n");
    file("total.ndjson", HEAD, TLBI, '{"kind":"begin","name":"phase:total"}', '{"end":true,"events":2}');
    assert.equal(
      (await run("total.ndjson")).err,
      "shootdown: total.ndjson:3: a phase cannot be named 'total', which stands for the whole trace\n",
    );
  });
}

test("a page of events that comes to the end of a cut trace does not end like one that is whole", async () => {
  const { status, out, err } = await shootdown("show", "cut.ndjson", "--events");
  assert.equal(status, 1);
  assert.match(err, /it has no end line/);
  assert.doesNotMatch(out, /end of the trace/);
  assert.match((await shootdown("show", "whole.ndjson", "--events")).out, /\nend of the trace\n$/);
  const json = await shootdown("show", "cut.ndjson", "--events", "--json");
  assert.equal(json.status, 1);
  assert.doesNotMatch(json.out, /"end"/, "what is printed of it has no end line either");
});

test("a page in the middle of a trace needs no end line", async () => {
  const { status, out, err } = await shootdown("show", "cut.ndjson", "--events", "--limit", "1");
  assert.deepEqual([status, err], [0, ""]);
  assert.match(out, /next page: shootdown show cut\.ndjson --events --skip 1 --limit 1\n$/);
});

test("events as NDJSON are a whole trace for the next command, filtered or not", async () => {
  for (const args of [[], ["--kind", "tlbi"], ["--limit", "2"]]) {
    const { out } = await shootdown("show", "made.parquet", "--events", "--json", ...args);
    writeFileSync(join(folder, "page.ndjson"), out);
    const { status, err } = await shootdown("price", "page.ndjson", "--host", "bare-metal");
    assert.deepEqual([status, err], [0, ""], args.join(" "));
  }
});
