import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { GdbConnection } from "./gdb-connection.js";
import { encodePacket, PacketReader } from "./gdb-protocol.js";
import { GdbTarget } from "./gdb-target.js";

test("a packet has the sum of its characters behind it", () => {
  assert.equal(encodePacket("OK"), "$OK#9a");
  assert.equal(encodePacket(""), "$#00");
});

test("packets come out whole, however the stream is cut, with escapes and run lengths undone", () => {
  const stream = `+${encodePacket("T05thread:p01.01;")}+${encodePacket("0* ff}\u0003")}`;
  const wanted = ["T05thread:p01.01;", "0000ff#"];
  assert.deepEqual(new PacketReader().feed(stream), wanted);
  const reader = new PacketReader();
  assert.deepEqual(
    [...stream].flatMap((c) => reader.feed(c)),
    wanted,
  );
});

test("a packet with a wrong sum is refused", () => {
  assert.throws(() => new PacketReader().feed("$OK#00"), /wrong checksum/);
});

test("a target sets breakpoints, reads memory, goes on; a refusal and an end are errors", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shootdown-gdb-"));
  const heard: string[] = [];
  const answers: Record<string, string> = {
    "Z0,1001,4": "OK",
    "m2000,8": "0807060504030201",
    c: "T05",
    "z0,1001,4": "E22",
  };
  const server = createServer((socket) => {
    const reader = new PacketReader();
    socket.setEncoding("latin1").on("data", (text: string) => {
      for (const packet of reader.feed(text)) {
        heard.push(packet);
        if (socket.writableEnded) continue;
        if (packet === "c" && heard.filter((p) => p === "c").length === 2) socket.end(encodePacket("W00"));
        else socket.write(`+${encodePacket(answers[packet] ?? "")}`);
      }
    });
  });
  const path = join(folder, "gdb");
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  try {
    const connection = await GdbConnection.open(path, new AbortController().signal);
    const target = new GdbTarget(connection);
    await target.setBreakpoint(0x1001);
    assert.equal(await target.readNumber(0x2000, 8), 0x0102030405060708n);
    await target.continueToStop();
    await assert.rejects(target.removeBreakpoint(0x1001), /refuses to remove a breakpoint/);
    await assert.rejects(target.continueToStop(), /ends with W00/);
    await assert.rejects(target.readNumber(0x2000, 8), /closed the connection/);
    connection.close();
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
