/** What comes over a queue is data that is looked at: what goes out comes in as it was, and nothing else comes in. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu, builtInPolicy } from "../../builtin/index.js";
import { InputError } from "../../input/index.js";
import { proverCpu, Question } from "../../prove/index.js";
import { alphabet, piecesOf, type Space } from "../../synth/index.js";
import { plain, revived } from "../plain.js";
import { queueAddress } from "./address.js";
import { type Most, OpenedSearch, opened, partsOf, searchOf, WORKER_FILES } from "./payload.js";

const [PROVE, LITMUS, MINIMIZE, PIECE] = WORKER_FILES as [string, string, string, string];
const MOST: Most = { maxStates: 1e6, timeoutMs: 60_000, verdicts: undefined };
const limits = { maxStates: 1e6, timeoutMs: 60_000, without: new Set(["out-of-context" as const]) };
const cpus = [builtInCpu("neoverse-v2")];
const setting = { fb: true };
const base = builtInPolicy("kvm-ipa");
const { tasks } = new Question(base, "revoke", cpus[0]!, setting);
const asked = { occasions: ["revoke" as const], cpus, setting };
const minimize = { policy: base, occasion: "revoke", asked, limits };
const litmus = { file: "a.toml", text: "x", options: { ...proverCpu(cpus[0]!), ...limits } };
const space: Space = { base, occasion: "revoke", cpus, setting, length: 3, instructions: alphabet("revoke", cpus) };
const piece = { search: 1, space, limits, piece: piecesOf(space)[7]!, at: 7, learnt: [] };

/** As it comes out of a server. */
const sent = (file: string, job: unknown) =>
  partsOf(file, job).parts.map((part) => JSON.parse(JSON.stringify(part)) as typeof part);
const refuses = (work: () => unknown, message: RegExp): void =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, message);
    return true;
  });

test("a job comes out of a queue as it went in, a proof scenario by scenario", () => {
  const proofs = sent(PROVE, { tasks: tasks.slice(0, 3), limits });
  assert.deepEqual(
    proofs.map(({ kind, data }) => opened(kind, data, MOST).job),
    tasks.slice(0, 3).map((task) => ({ tasks: [task], limits: { ...limits, verdicts: undefined } })),
  );
  const [test] = sent(LITMUS, litmus);
  assert.deepEqual(opened(test!.kind, test!.data, MOST).job, litmus);
  const [occasion] = sent(MINIMIZE, minimize);
  assert.deepEqual(opened(occasion!.kind, occasion!.data, MOST).job, {
    ...minimize,
    limits: { ...limits, verdicts: undefined },
  });
  const [part] = sent(PIECE, piece);
  const search = new OpenedSearch(part!.search!.shared, MOST, 1);
  assert.equal(searchOf(part!.kind, part!.data), part!.search!.id);
  assert.deepEqual(opened(part!.kind, part!.data, MOST, search).job, {
    ...piece,
    limits: { ...limits, verdicts: undefined },
  });
});

test("every scenario of every built-in occasion is taken", () => {
  const policy = builtInPolicy("xen-today");
  for (const occasion of ["revoke", "split", "stage1-edited", "table-freed", "block-merged"] as const)
    for (const part of sent(PROVE, { tasks: new Question(policy, occasion, cpus[0]!, setting).tasks, limits }))
      opened(part.kind, part.data, MOST);
});

test("what is no job is refused in one sentence, and so is one that asks for more than a worker gives", () => {
  const [part] = sent(PROVE, { tasks: tasks.slice(0, 1), limits });
  const data = part!.data as { task: object; limits: object };
  const asks = (more: object) => opened("task", { ...data, limits: { ...data.limits, ...more } }, MOST);
  for (const kind of [undefined, "file", "__proto__", "constructor"])
    refuses(() => opened(kind, data, MOST), /^no job of this product$/);
  refuses(() => asks({ maxStates: 2e6 }), /asks for --max-states 2,000,000, the worker gives 1,000,000: start workers/);
  refuses(() => asks({ timeoutMs: 120_000 }), /asks for --timeout 120, the worker gives 60/);
  refuses(() => asks({ timeoutMs: 0 }), /cannot be used: limits\.timeoutMs/);
  refuses(() => asks({ without: { $set: ["gravity"] } }), /limits\.without/);
  refuses(() => asks({ without: { $set: 3 } }), /expected a list/);
  refuses(() => asks({ file: "/etc/passwd" }), /limits\.file/);
  const scenario = (text: string) => opened("task", { ...data, task: { ...data.task, scenario: text } }, MOST);
  refuses(() => scenario("{"), /scenario is no JSON/);
  refuses(() => scenario('{"name":"x"}'), /cannot be used: title/);
  refuses(() => scenario("x".repeat((1 << 20) + 1)), /task\.scenario/);
  refuses(() => scenario(`${'{"tables":['.repeat(20_000)}`), /scenario is no JSON/);
  let deep: unknown = { kind: "table", stage: 1, name: "t", body: [] };
  for (let i = 0; i < 20_000; i++) deep = [deep];
  refuses(() => opened("minimize", { policy: deep }, MOST), /cannot be/);
  const code = (statement: object) => {
    const [one] = sent(MINIMIZE, minimize);
    const { policy, ...rest } = one!.data as { policy: { code: object } };
    return opened("minimize", { ...rest, policy: { ...policy, code: { ...policy.code, revoke: [statement] } } }, MOST);
  };
  refuses(() => code({ kind: "barrier", barrier: 99, line: 1 }), /policy\.code\.revoke\.0\.barrier/);
  refuses(() => code({ kind: "shell", line: 1 }), /policy\.code\.revoke\.0\.kind/);
});

test("a piece of a search that is not there, or whose words are none, is refused", () => {
  const [part] = sent(PIECE, piece);
  const { shared } = part!.search! as { shared: { instructions: object[] } };
  const search = new OpenedSearch(shared, MOST, 1);
  refuses(() => opened("piece", part!.data, MOST), /search is not on the queue any more/);
  refuses(() => opened("piece", { ...(part!.data as object), piece: 1e6 }, MOST, search), /has no piece 1000000/);
  refuses(() => search.learn([{ owner: true, sound: [999] }]), /learnt is damaged/);
  refuses(() => search.learn([{ owner: true, sound: "x" }]), /cannot be used/);
  refuses(
    () => new OpenedSearch({ ...shared, instructions: [{ code: "rm -rf" }] }, MOST, 1),
    /no instruction 'rm -rf'/,
  );
});

test("sets and maps survive JSON", () => {
  const value = { set: new Set(["a"]), map: new Map([["k", new Set([1])]]), list: [null, true, { none: undefined }] };
  assert.deepEqual(revived(JSON.parse(JSON.stringify(plain(value)))), { ...value, list: [null, true, {}] });
});

test("the address of a queue: what is none is refused, and a password never stands in it", () => {
  const { host, port, db, tls, username, patience } = queueAddress("rediss://me@queue.example:7000/3");
  assert.deepEqual([host, port, db, tls, username, patience], ["queue.example", 7000, 3, true, "me", 60_000]);
  assert.deepEqual([queueAddress("redis://[::1]").host, queueAddress("redis://h").port], ["::1", 6379]);
  for (const text of ["localhost", "http://localhost", "redis://", "redis://h/x", "redis://h/1?db=2", "redis://h#a"])
    refuses(() => queueAddress(text), /--queue.*expected redis:\/\/HOST:PORT/);
  refuses(() => queueAddress("redis://me:secret@h"), /^--queue: a password there is seen .*SHOOTDOWN_QUEUE_PASSWORD$/);
});

test("the queue's client is loaded only where there is a queue", () => {
  const dist = join(fileURLToPath(import.meta.url), "..", "..", "..");
  const wrong = readdirSync(dist, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith(".js") && !/\.(test|fixture)\.js$/.test(file))
    .filter((file) => /\bfrom\s*"(bullmq|ioredis)"/.test(readFileSync(join(dist, file), "utf8")));
  assert.deepEqual(wrong, []);
});
