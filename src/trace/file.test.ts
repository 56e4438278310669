import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { asyncBufferFromFile, parquetMetadataAsync } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { InputError } from "../input/index.js";
import { BLOCK_EVENTS, EventError } from "./buffer.js";
import { COLUMNS, type ColumnName, columnOf } from "./columns.js";
import { KINDS, Kind, NO_DOMAIN } from "./event.js";
import { anyEvent, Collected, feed, type PlainEvent } from "./events.testing.js";
import { readTrace, traceDigest, writeTrace } from "./file.js";
import { GROUP_ROWS, SCHEMA } from "./parquet/format.js";
import type { ReadPart } from "./read.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-trace-"));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

async function write(path: string, events: readonly PlainEvent[], capacity?: number): Promise<void> {
  const writer = await writeTrace(path, "a test");
  feed(events, writer, capacity);
  writer.close();
}

async function read(path: string, part?: ReadPart): Promise<PlainEvent[]> {
  const sink = new Collected();
  const result = await readTrace(path, [sink], part);
  assert.equal(result.read, sink.list.length);
  return sink.list;
}

const refused = (path: string, message: RegExp): Promise<void> =>
  assert.rejects(
    read(path),
    (error) =>
      error instanceof InputError &&
      error.message.startsWith(path) &&
      message.test(error.message) &&
      !error.message.includes("\n"),
    String(message),
  );

const EVENT: PlainEvent = {
  kind: Kind.tlbi,
  name: "VMALLS12E1IS",
  pcpu: 1,
  domain: NO_DOMAIN,
  vmid: 7,
  stage: 0,
  level: -1,
  slot: 0,
  site: "p2m_flush_tlb",
  unknown: 0,
  words: [0, 0, 0, 0, 0xffff_fffe, 0x8000_0001, 0, 0, 0, 0],
};
/** `n` events that differ in their slot and operand. */
const many = (n: number): PlainEvent[] =>
  Array.from({ length: n }, (_, i) => ({ ...EVENT, slot: i % 512, words: [0, 0, 0, 0, i, i % 3, 0, 0, 0, 0] }));

for (const ending of ["parquet", "ndjson"])
  test(`any events come back from a .${ending} as they were written`, async () => {
    const path = file(`property.${ending}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEvent, { maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        async (events, capacity) => {
          await write(path, events, capacity);
          assert.deepEqual(await read(path), events);
        },
      ),
      { numRuns: 60 },
    );
  });

for (const ending of ["parquet", "ndjson"])
  test(`any part of a .${ending} is read alone: rows from the middle of a row group and across its end`, async () => {
    const events = many(GROUP_ROWS + 1000);
    const path = file(`part.${ending}`);
    await write(path, events, 10_000);
    for (const [from, count] of [
      [0, 1],
      [100, 20],
      [GROUP_ROWS - 5, 10],
      [GROUP_ROWS + 990, 50],
      [GROUP_ROWS + 1000, 5],
      [5, 0],
    ] as const)
      assert.deepEqual(await read(path, { from, count }), events.slice(from, from + count));
  });

test("events that stay the same for longer than a block, and then change, come back as they were, from any row on", async () => {
  const path = file("runs.parquet");
  const digestOf = (events: readonly PlainEvent[]): string => {
    const sink = traceDigest();
    feed(events, sink, 1000);
    return sink.digest();
  };
  const runs = fc.array(fc.tuple(anyEvent, fc.integer({ min: 1, max: 2 * BLOCK_EVENTS })), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(runs, fc.nat(BLOCK_EVENTS), async (list, from) => {
      const events = list.flatMap(([event, times]) => new Array<PlainEvent>(times).fill(event));
      await write(path, events, 1000);
      for (const start of [0, from]) {
        const sink = traceDigest();
        await readTrace(path, [sink], { from: start });
        assert.equal(sink.digest(), digestOf(events.slice(start)));
      }
    }),
    { numRuns: 5 },
  );
});

test("columns that are not asked for hold what an event without them has", async () => {
  const path = file("columns.parquet");
  await write(path, [EVENT]);
  const [event] = await read(path, { columns: ["name", "vmid"] });
  assert.deepEqual(event, { ...EVENT, pcpu: 0, domain: NO_DOMAIN, site: "", words: new Array(10).fill(0) });
});

test("values that do not repeat are written too, beyond what a dictionary holds", async () => {
  const events = Array.from({ length: 70_000 }, (_, i) => ({
    ...EVENT,
    words: [Math.imul(i, 0x9e37_79b1) >>> 0, i, i, 0, 0, 0, 0, 0, 0, 0],
  }));
  const path = file("plain.parquet");
  await write(path, events, 32_768);
  assert.deepEqual(await read(path), events);
});

test("a .ndjson trace is a header, one object an event and an end line, with nothing in it that is zero or none", async () => {
  const path = file("lines.ndjson");
  await write(path, [EVENT]);
  assert.equal(
    readFileSync(path, "utf8"),
    `{"shootdown":"trace","version":2,"producer":"a test"}
{"kind":"tlbi","name":"VMALLS12E1IS","pcpu":1,"vmid":7,"site":"p2m_flush_tlb","after":"0x80000001fffffffe"}
{"end":true,"events":1}
`,
  );
});

test("both forms say who made the trace, how many events it has and that they are all there", async () => {
  await write(file("info.parquet"), many(3));
  await write(file("info.ndjson"), many(3));
  const info = { events: 3, integrity: "checked", producer: "a test", recording: undefined };
  assert.deepEqual((await readTrace(file("info.parquet"), [])).info, info);
  assert.deepEqual((await readTrace(file("info.ndjson"), [])).info, info);
  const some = (await readTrace(file("info.ndjson"), [], { count: 2 })).info;
  assert.deepEqual(some, { ...info, events: undefined, integrity: "unread" });
});

test("a trace bears its name only when it is complete, and a file of that name stays until then", async () => {
  const path = file("whole.parquet");
  writeFileSync(path, "before");
  const dropped = await writeTrace(path);
  feed(many(10), dropped);
  assert.equal(readFileSync(path, "utf8"), "before");
  dropped.abort();
  assert.equal(readFileSync(path, "utf8"), "before");
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes(".part")),
    [],
  );
  await write(path, many(10));
  assert.equal(readFileSync(path).subarray(0, 4).toString(), "PAR1");
});

test("an unknown ending is refused with the two that there are", async () => {
  await assert.rejects(writeTrace("trace.csv"), /trace\.csv: unknown ending, expected .*\.parquet or .*\.ndjson/);
  await refused("trace.csv", /unknown ending/);
});

test("a file that is not there, a folder, and a folder that is not there are refused in words", async () => {
  await refused(file("absent.parquet"), /no such file/);
  await refused(file("absent.ndjson"), /no such file/);
  mkdirSync(file("folder.parquet"));
  await refused(file("folder.parquet"), /it is a folder/);
  await assert.rejects(writeTrace(join(folder, "no", "x.parquet")), InputError);
});

test("a Parquet trace cut off anywhere is refused, and no changed byte of its data goes unnoticed", async () => {
  const path = file("cut.parquet");
  const events = many(300);
  await write(path, events);
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length += length < 16 ? 1 : 97) {
    writeFileSync(path, whole.subarray(0, length));
    await refused(
      path,
      length === 0 ? /the file is empty/ : length < 4 ? /not a Parquet file/ : /cut off after \d+ bytes/,
    );
  }
  const footer = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
  for (let at = 0; at < whole.length; at += 29) {
    const damaged = Buffer.from(whole);
    damaged[at] = damaged[at]! ^ 0x5a;
    writeFileSync(path, damaged);
    try {
      const got = await read(path);
      assert.ok(at >= footer || at < 4 || got.length === events.length, `byte ${at}`);
      if (at < footer) assert.deepEqual(got, events, `byte ${at} of the data is changed and nobody noticed`);
    } catch (error) {
      assert.ok(error instanceof InputError, `byte ${at}: ${error}`);
    }
  }
});

/** The same trace as a version wrote it that knew no digests: their key is another one. */
function withoutDigests(bytes: Buffer): Buffer {
  const old = Buffer.from(bytes);
  old.write("another.tool.256", old.indexOf("shootdown.sha256"), "latin1");
  return old;
}

test("a damaged page is named with its first row and its column", async () => {
  const path = file("page.parquet");
  await write(path, many(300));
  const whole = withoutDigests(readFileSync(path));
  const put = (damage: (bytes: Buffer) => void): void => {
    const bytes = Buffer.from(whole);
    damage(bytes);
    writeFileSync(path, bytes);
  };
  const { row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  const kind = row_groups[0]!.columns.find(({ meta_data }) => meta_data!.path_in_schema[0] === "kind")!.meta_data!;
  const at = Number(kind.dictionary_page_offset);
  const gzip = whole.indexOf(Uint8Array.of(0x1f, 0x8b), at); // its first page's body
  put((bytes) => bytes.writeUInt8(bytes[gzip + 12]! ^ 1, gzip + 12));
  await refused(path, /row 0: column 'kind' cannot be read: a page's checksum does not match its bytes/);
  // The page's header says its size uncompressed in its fourth byte, zigzag.
  put((bytes) => bytes.writeUInt8(bytes[at + 3]! + 2, at + 3));
  await refused(path, /row 0: column 'kind' cannot be read: a page of \d+ bytes, expected \d+/);
  put((bytes) => bytes.writeUInt8(bytes[at + 3]! - 2, at + 3));
  await refused(path, /row 0: column 'kind' cannot be read: a page cannot be decompressed/);
});

test("each column is gzipped: a trace takes 2 bytes an event where no two events are the same", async () => {
  const path = file("small.parquet");
  await write(path, many(GROUP_ROWS));
  assert.ok(statSync(path).size < 2 * GROUP_ROWS, `${statSync(path).size} bytes`);
  const { row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
  for (const { meta_data } of row_groups.flatMap(({ columns }) => columns)) assert.equal(meta_data!.codec, "GZIP");
});

test("a Parquet file that is no trace, and a trace of a newer version, are refused", async () => {
  const path = file("other.parquet");
  const put = (columns: Parameters<typeof parquetWriteBuffer>[0]["columnData"], version?: string): void =>
    writeFileSync(
      path,
      Buffer.from(
        parquetWriteBuffer({
          columnData: columns,
          ...(version ? { kvMetadata: [{ key: "shootdown.trace", value: version }] } : {}),
        }),
      ),
    );
  put([{ name: "x", data: [1, 2] }]);
  await refused(path, /not a trace: it has no column 'kind'/);
  put([{ name: "kind", data: [1, 2] }]);
  await refused(path, /not a trace: column 'kind' is INT32, expected strings/);
  put(foreign([EVENT]), "3");
  await refused(path, /format version 3, expected at most 2/);
  put(foreign([EVENT, { ...EVENT, name: "VMALLS13" }]));
  await refused(path, /row 1: 'VMALLS13' is no name of the kind 'tlbi', expected a TLBI/);
  put(foreign([EVENT, { ...EVENT, pcpu: 256 }]));
  await refused(path, /row 1: pcpu is 256, expected 0 to 255/);
  put(foreign([EVENT, { ...EVENT, pcpu: undefined as unknown as number }]));
  await refused(path, /row 1: pcpu: it is null, expected 0 to 255/);
  put(foreign([EVENT, EVENT]).map((c) => (c.name === "kind" ? { ...c, data: ["tlbi", "flush"] } : c)));
  await refused(path, /row 1: unknown kind 'flush', expected write, tlbi/);
});

/** The columns as another tool, or an older version, would write them: Snappy, null allowed, its own encodings. */
function foreign(
  events: readonly PlainEvent[],
): { name: string; type: "STRING" | "INT32" | "INT64"; data: unknown[] }[] {
  const text = (name: string, of: (e: PlainEvent) => string) => ({
    name,
    type: "STRING" as const,
    data: events.map(of),
  });
  const small = (name: "pcpu" | "domain" | "vmid" | "stage" | "level" | "slot") => ({
    name,
    type: "INT32" as const,
    data: events.map((e) => e[name]),
  });
  const wide = (name: string, at: number) => ({
    name,
    type: "INT64" as const,
    data: events.map((e) => BigInt.asIntN(64, (BigInt(e.words[at + 1]!) << 32n) | BigInt(e.words[at]!))),
  });
  const kinds = ["write", "tlbi"];
  return [
    wide("to", 4),
    text("kind", (e) => kinds[e.kind]!),
    text("name", (e) => e.name),
    text("site", (e) => e.site),
    ...(["pcpu", "domain", "vmid", "stage", "level", "slot"] as const).map(small),
    wide("address", 0),
    wide("from", 2),
  ];
}

test("a trace that another tool has written, compressed and with its columns in another order, is read as well", async () => {
  const path = file("foreign.parquet");
  const events = many(5000);
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData: foreign(events), rowGroupSize: 1700 })));
  assert.deepEqual(await read(path), events);
  assert.deepEqual(await read(path, { from: 1690, count: 20 }), events.slice(1690, 1710));
});

/** The schema of version 1, in which no column could be null. */
const REQUIRED = [
  { ...SCHEMA[0]!, num_children: COLUMNS.length },
  ...SCHEMA.slice(-COLUMNS.length).map((column) => ({
    ...column,
    name: columnOf(column.name as ColumnName).former ?? column.name,
    repetition_type: "REQUIRED" as const,
  })),
];
/** 5,000 rows of a column that older files are without. */
const none = (name: string): unknown[] => new Array(5000).fill(name === "unknown" ? 0 : 0n);

for (const codec of ["UNCOMPRESSED", "SNAPPY", "GZIP"] as const)
  for (const schema of [REQUIRED, undefined])
    test(`a trace with ${schema ? "required" : "nullable"} columns in the codec ${codec} is read`, async () => {
      const path = file(`${codec}.parquet`);
      const events = many(5000);
      const columnData = foreign(events);
      const compressors = { GZIP: (bytes: Uint8Array) => gzipSync(bytes) };
      const columns = schema
        ? schema
            .slice(1)
            .map(({ name }) => ({ name, data: columnData.find((column) => column.name === name)?.data ?? none(name) }))
        : columnData;
      const parquet = parquetWriteBuffer({
        columnData: columns,
        ...(schema ? { schema: [...schema] } : {}),
        codec,
        compressors,
      });
      writeFileSync(path, Buffer.from(parquet));
      const { row_groups } = await parquetMetadataAsync(await asyncBufferFromFile(path));
      assert.equal(row_groups[0]!.columns[0]!.meta_data!.codec, codec);
      assert.deepEqual(await read(path), events);
    });

test("a trace of version 1 is read as it was, from either form, and is the same trace when it is written again", async () => {
  const former = (ending: string): string =>
    fileURLToPath(new URL(`../../src/testdata/trace-v1.${ending}`, import.meta.url));
  const events = await read(former("ndjson"));
  const kinds = [...new Set(events.map(({ kind }) => KINDS[kind]))].sort();
  assert.deepEqual(kinds, ["access", "barrier", "begin", "end", "owner", "sysreg", "tlbi", "write"]);
  assert.match(
    readFileSync(former("ndjson"), "utf8"),
    /^{"shootdown":"trace","version":1.*[\s\S]*"from":"0x.*"to":"0x/,
  );
  assert.deepEqual(await read(former("parquet")), events);
  const digest = async (path: string): Promise<string> => {
    const sink = traceDigest();
    assert.equal((await readTrace(path, [sink])).info.integrity, "checked");
    return sink.digest();
  };
  for (const ending of ["parquet", "ndjson"]) {
    await write(file(`again.${ending}`), events);
    assert.equal(await digest(file(`again.${ending}`)), await digest(former(ending)));
  }
});

test("errors in NDJSON say the line and what was expected", async () => {
  const path = file("bad.ndjson");
  const header = '{"shootdown":"trace","version":1}';
  const isb = '{"kind":"barrier","name":"ISB"}';
  const line3 = async (line: string, message: RegExp): Promise<void> => {
    writeFileSync(path, `${header}\n${isb}\n${line}\n${isb}\n`);
    await refused(path, new RegExp(`:3: ${message.source}`));
  };
  await line3("{", /not valid JSON/);
  await line3("", /not valid JSON/);
  await line3("[1]", /expected a JSON object/);
  await line3('{"kind":"flush","name":"x"}', /kind: unknown kind "flush", expected write, tlbi/);
  await line3('{"name":"ISB"}', /kind: unknown kind undefined/);
  await line3('{"kind":"barrier"}', /name: expected a string/);
  await line3('{"kind":"barrier","name":"DSB XYZ"}', /name: 'DSB XYZ' is no name of the kind 'barrier'/);
  await line3('{"kind":"begin","name":"pause:x"}', /name: 'pause:x' is no name of the kind 'begin', expected a mark/);
  await line3('{"kind":"barrier","name":"ISB","cpu":1}', /unknown key 'cpu', expected kind, pcpu/);
  await line3('{"kind":"barrier","name":"ISB","pcpu":256}', /pcpu: 256, expected a whole number from 0 to 255/);
  await line3('{"kind":"barrier","name":"ISB","pcpu":"1"}', /pcpu: "1", expected a whole number/);
  await line3('{"kind":"barrier","name":"ISB","pcpu":null}', /pcpu: null, expected a whole number/);
  await line3('{"kind":"barrier","name":"ISB","vmid":1.5}', /vmid: 1.5, expected a whole number from 0 to 65535/);
  await line3('{"kind":"barrier","name":"ISB","level":-2}', /level: -2, expected a whole number from -1 to 3/);
  await line3('{"kind":"barrier","name":"ISB","site":1}', /site: expected a string/);
  await line3('{"kind":"barrier","name":"ISB","to":4096}', /to: 4096, expected 64 bits as a hex string/);
  await line3('{"kind":"barrier","name":"ISB","to":"0x10000000000000000"}', /to: "0x1.*expected 64 bits/);
  await line3(
    '{"kind":"owner","name":"owner","from":"0x1","before":"0x1"}',
    /'from' is what 'before' was called, expected one of them/,
  );
  await line3(`{"kind":"barrier","name":"ISB","site":"${"x".repeat(70_000)}"}`, /a line of more than 65536 characters/);
});

test("NDJSON without its header, of a newer version, empty, cut off or not text is refused", async () => {
  const path = file("head.ndjson");
  const put = async (text: string | Buffer, message: RegExp): Promise<void> => {
    writeFileSync(path, text);
    await refused(path, message);
  };
  await put("", /the file is empty/);
  await put('{"kind":"barrier","name":"ISB"}\n', /:1: not a trace: expected the header/);
  await put('{"shootdown":"trace","version":3}\n', /:1: a trace of format version 3, expected at most 2/);
  await put('{"shootdown":"trace"}\n', /:1: a trace of format version undefined/);
  await put('{"shootdown":"trace","version":1}\n{"kind":"barr', /:2: the last line is cut off/);
  await put(Buffer.from([0x50, 0x41, 0x52, 0x33, 0xff, 0xfe]), /not UTF-8 text|not valid JSON/);
  await put(Buffer.from([0x50, 0x41, 0x52, 0x31, 0xff, 0xfe]), /Parquet/); // its first bytes say so
  await put(Buffer.alloc(200_000, "x"), /:1: a line of more than 65536 characters/);
});

const HEAD = '{"shootdown":"trace","version":1}\n';
const ISB = '{"kind":"barrier","name":"ISB"}\n';

test("NDJSON without its end line may have been cut off: it is refused, and taken where a part will do", async () => {
  const path = file("end.ndjson");
  const partial = async (text: string): Promise<[number, string]> => {
    writeFileSync(path, text);
    const { info, read } = await readTrace(path, [], { partial: true });
    return [read, info.integrity];
  };
  writeFileSync(path, HEAD + ISB + ISB);
  await refused(path, /:3: it has no end line \{"end":true,"events":2\} behind this and may be cut off/);
  assert.deepEqual(await partial(HEAD + ISB + ISB), [2, "partial"]);
  assert.deepEqual(await partial(`${HEAD}${ISB}{"kind":"barr`), [1, "partial"], "what is whole of it");
  assert.deepEqual(await partial(HEAD), [0, "partial"]);
  assert.deepEqual(await partial(`${HEAD}${ISB}{"end":true,"events":1}`), [1, "checked"]);
  await assert.rejects(partial('{"shootdo'), /:1: the last line is cut off/);
});

test("an end line says how many events there were, and is the last one", async () => {
  const path = file("end.ndjson");
  const put = async (text: string, message: RegExp, part?: ReadPart): Promise<void> => {
    writeFileSync(path, HEAD + text);
    await assert.rejects(readTrace(path, [], part), message);
    await assert.rejects(readTrace(path, [], { ...part, partial: true }), message);
  };
  await put(`${ISB}{"end":true,"events":2}\n`, /:3: the end line says 2 events, there are 1$/);
  await put(`{"end":true,"events":1}\n${ISB}`, /:2: the end line says 1 events, there are 0$/);
  await put(`{"end":true,"events":0}\n${ISB}`, /:3: a line behind the end line$/);
  await put('{"end":true}\n', /:2: expected the end line \{"end":true,"events":0\}$/);
  await put('{"end":false,"events":0}\n', /expected the end line/);
  await put('{"end":true,"events":0,"kind":"tlbi"}\n', /expected the end line/);
  await put(`${ISB}{"end":true,"events":2}\n`, /says 2 events, there are 1/, { from: 5 });
});

test("what a sink finds wrong with an event is told with its row or line", async () => {
  const wrong = {
    events: (b: { length: number }) => {
      throw new EventError(b.length - 1, "it is wrong");
    },
  };
  await write(file("sink.parquet"), many(10));
  await write(file("sink.ndjson"), many(10));
  const reading = (name: string, part?: ReadPart) => readTrace(file(name), [wrong], part);
  await assert.rejects(reading("sink.parquet"), /sink\.parquet: row 9: it is wrong$/);
  await assert.rejects(reading("sink.parquet", { from: 3, count: 2 }), /row 4: it is wrong$/);
  await assert.rejects(reading("sink.ndjson"), /sink\.ndjson:11: it is wrong$/);
  await assert.rejects(reading("sink.ndjson", { from: 3, count: 2 }), /:6: it is wrong$/);
});

test("strings that would fill the memory are refused", async () => {
  const path = file("names.ndjson");
  const line = (i: number) => `{"kind":"barrier","name":"ISB","site":"${i}${"x".repeat(60_000)}"}\n`;
  writeFileSync(path, HEAD + Array.from({ length: 280 }, (_, i) => line(i)).join(""));
  await refused(path, /:281: names and sites of more than 16777216 characters in one trace/);
});

test("reading stops between blocks when it is aborted", async () => {
  const path = file("abort.parquet");
  await write(path, many(GROUP_ROWS), 32_768);
  const stop = new AbortController();
  let seen = 0;
  const sink = { events: (): void => void (++seen === 2 && stop.abort(new Error("enough"))) };
  await assert.rejects(readTrace(path, [sink], { signal: stop.signal }), /enough/);
  assert.equal(seen, 2);
});

test("progress is told after each block, with the number of events where the file says it", async () => {
  const path = file("progress.parquet");
  const events = BLOCK_EVENTS + 100;
  await write(path, many(events));
  const told: [number, number | undefined][] = [];
  await readTrace(path, [], { progress: (...args) => void told.push(args) });
  assert.deepEqual(told, [
    [BLOCK_EVENTS, events],
    [events, events],
  ]);
});
