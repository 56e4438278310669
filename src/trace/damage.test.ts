/** Parquet traces that are damaged, put together wrongly or written by others: never another trace, and nothing unsaid. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { type FileMetaData, parquetMetadata } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { InputError } from "../input/index.js";
import type { Flips } from "./damage.fixture.js";
import { EVENTS, read, WHOLE } from "./damage.testing.js";

test("a bit flipped anywhere is an error or changes nothing", async () => {
  const worker = new Worker(new URL("./damage.fixture.js", import.meta.url));
  const [{ wrong, unchecked }] = (await once(worker, "message")) as [Flips];
  assert.equal(wrong + unchecked, 8 * WHOLE.length);
  // Only what hides the digest's key, or who wrote it, leaves a file without a digest.
  assert.ok(unchecked <= 8 * "shootdown.sha256.....shootdown".length, `${unchecked} flips left it unchecked`);
});

test("a part that is overwritten, cut out or exchanged is an error", async () => {
  const refused = (bytes: Buffer, what: string): Promise<void> => assert.rejects(read(bytes), InputError, what);
  for (let at = 0; at < WHOLE.length; at += 7) {
    await refused(Buffer.concat([WHOLE.subarray(0, at), WHOLE.subarray(at + 1)]), `byte ${at} is cut out`);
    const zeros = Buffer.from(WHOLE).fill(0, at, Math.min(at + 16, WHOLE.length));
    if (!zeros.equals(WHOLE)) await refused(zeros, `16 bytes from ${at} on are 0`).catch(async () => sameTrace(zeros));
  }
  const metadata = metadataOf(WHOLE);
  const [a, b] = ["pcpu", "vmid"].map((name) => {
    const { meta_data: of } = metadata.row_groups[0]!.columns.find((c) => c.meta_data!.path_in_schema[0] === name)!;
    const start = Number(of!.dictionary_page_offset);
    return WHOLE.subarray(start, start + Number(of!.total_compressed_size));
  });
  const exchanged = Buffer.from(WHOLE);
  const from = WHOLE.indexOf(a!);
  const to = WHOLE.indexOf(b!);
  const length = Math.min(a!.length, b!.length);
  exchanged.set(b!.subarray(0, length), from);
  exchanged.set(a!.subarray(0, length), to);
  await refused(exchanged, "two columns change places");
});

/** Zeros over the digest's key itself: the same trace, and said to be unchecked. */
async function sameTrace(bytes: Buffer): Promise<void> {
  const { events, info } = await read(bytes);
  assert.deepEqual([events, info.integrity], [EVENTS, "unchecked"]);
}

const metadataOf = (bytes: Buffer): FileMetaData =>
  parquetMetadata(Uint8Array.from(bytes).buffer, { geoparquet: false });

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

/** The same columns under another footer, without digests. */
function withFooter(edit: (metadata: Mutable<FileMetaData>) => void, createdBy = "a test"): Buffer {
  const metadata = metadataOf(WHOLE) as Mutable<FileMetaData>;
  metadata.key_value_metadata = metadata.key_value_metadata!.filter(({ key }) => key !== "shootdown.sha256");
  edit(metadata);
  const writer = new ByteWriter();
  const footer = new ParquetWriter({
    writer,
    schema: metadata.schema,
    createdBy,
    kvMetadata: metadata.key_value_metadata,
  });
  footer.row_groups = metadata.row_groups as FileMetaData["row_groups"];
  footer.num_rows = metadata.num_rows;
  footer.finish();
  const end = WHOLE.length - 8 - WHOLE.readUInt32LE(WHOLE.length - 8);
  return Buffer.concat([WHOLE.subarray(0, end), writer.getBytes().subarray(4)]);
}

test("a trace without digests is read and said to be unchecked", async () => {
  const { events, info } = await read(withFooter(() => {}));
  assert.deepEqual([events, info.integrity], [EVENTS, "unchecked"]);
});

test("a tool that copies the metadata, the digest with it, makes an unchecked trace, not a damaged one", async () => {
  const all = metadataOf(WHOLE).key_value_metadata!;
  const copy = withFooter((metadata) => {
    metadata.key_value_metadata = all;
  });
  assert.ok(copy.includes("shootdown.sha256"));
  const { events, info } = await read(copy);
  assert.deepEqual([events, info.integrity], [EVENTS, "unchecked"]);
});

/** A column of the only row group. */
const column = (m: Mutable<FileMetaData>, name: string) =>
  m.row_groups[0]!.columns.find(({ meta_data }) => meta_data!.path_in_schema[0] === name)!.meta_data!;

test("without digests too, the counts of file, row groups, columns and pages are held against each other", async () => {
  const refused = (edit: (metadata: Mutable<FileMetaData>) => void, message: RegExp, createdBy?: string) =>
    assert.rejects(read(withFooter(edit, createdBy)), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, message);
      return true;
    });
  const rows = (m: Mutable<FileMetaData>, n: bigint): void => {
    m.num_rows = n;
    m.row_groups[0]!.num_rows = n;
    for (const { meta_data } of m.row_groups[0]!.columns) meta_data!.num_values = n;
  };
  await refused((m) => {
    m.num_rows = 32n;
  }, /the file has 32 rows, its row groups together 40$/);
  await refused((m) => {
    m.num_rows = 0n;
  }, /the file has 0 rows, its row groups together 40$/);
  await refused((m) => {
    m.row_groups = [];
  }, /the file has 40 rows, its row groups together 0$/);
  await refused((m) => {
    m.row_groups[0]!.num_rows = 32n;
  }, /row group 0 has 32 rows, its column 'event' 40$/);
  await refused((m) => {
    column(m, "vmid").num_values = 41n;
  }, /row group 0 has 40 rows, its column 'vmid' 41$/);
  await refused((m) => rows(m, 32n), /row 0: column 'kind' cannot be read: a page with more rows than its row group$/);
  await refused((m) => rows(m, 48n), /row 40: column 'kind' cannot be read: it has fewer rows than its row group$/);
  await refused((m) => void m.row_groups[0]!.columns.pop(), /row group 0 has 23 columns, expected 24$/);
  await refused(
    (m) => void m.row_groups[0]!.columns.reverse(),
    /row group 0 has the column 'host_faults' where 'event' should stand$/,
  );
  await refused(
    (m) => void Object.assign(column(m, "address"), { ...column(m, "before"), path_in_schema: ["address"] }),
    /the columns 'address' and 'before' stand in the same place$/,
  );
  await refused((m) => {
    column(m, "address").type = "INT32";
  }, /has the column 'address' as INT32, expected INT64$/);
  await refused((m) => {
    column(m, "took").total_compressed_size += 5000n;
  }, /column 'took' cannot be read: it is not in/);
  await refused((m) => {
    column(m, "took").total_compressed_size -= 1n;
  }, /a page reaches beyond its column$/);
  await refused(
    (m) => {
      m.key_value_metadata = [];
    },
    /'shootdown' wrote it, and it does not say in which version/,
    "shootdown",
  );
  await refused((m) => {
    m.key_value_metadata![0]!.value = "3";
  }, /format version 3, expected at most 2$/);
  await refused((m) => {
    m.key_value_metadata![0]!.value = "0";
  }, /format version 0, expected at most 2$/);
});

test("an encoding or a codec other than that of the pages is no other trace", async () => {
  for (const codec of ["UNCOMPRESSED", "SNAPPY", "ZSTD"] as const)
    await assert.rejects(
      read(
        withFooter((m) => {
          column(m, "name").codec = codec;
        }),
      ),
      /row 0: column 'name' cannot be read/,
    );
  const other = withFooter((m) => {
    column(m, "name").encodings = ["DELTA_BYTE_ARRAY"];
  });
  assert.deepEqual((await read(other)).events, EVENTS, "read through hyparquet, which goes by the pages");
});
