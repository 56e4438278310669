/** Values as JSON has them, and back: sets and maps are lists with a mark. */

const SET = "$set";
const MAP = "$map";

/** Undefined members go, as in JSON. */
export function plain(value: unknown): unknown {
  if (value instanceof Set) return { [SET]: [...value].map(plain) };
  if (value instanceof Map) return { [MAP]: [...value].map(plain) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === undefined ? [] : [[key, plain(one)]])),
  );
}

/** What {@link plain} was given. Throws a TypeError where a mark stands before no list. */
export function revived(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== "object" || value === null) return value;
  if (SET in value) return new Set(revived(listOf(value[SET])) as unknown[]);
  if (MAP in value) return new Map(revived(listOf(value[MAP])) as [unknown, unknown][]);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revived(one)]));
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError("expected a list");
  return value;
}
