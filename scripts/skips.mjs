/** A reporter for Node's test runner: the reasons of the tests that were skipped, as JSON. */
export default async function* skips(events) {
  const reasons = [];
  for await (const { type, data } of events)
    if (type === "test:pass" && data.skip !== undefined && data.skip !== false)
      reasons.push(typeof data.skip === "string" && data.skip !== "" ? data.skip : data.name);
  yield JSON.stringify(reasons);
}
