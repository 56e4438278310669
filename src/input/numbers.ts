/** The numbers of a file that is read by a schema, by dotted keys ("run.slice-us", "domu.0.segment.0.pages"), to be set from outside. */
import type * as v from "valibot";

/** What of a schema is looked at, wherever it stands in its union of kinds. */
interface Shape {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Shape>>;
  readonly wrapped?: Shape;
  readonly item?: Shape;
  readonly options?: readonly unknown[];
}

/** Keys of all numbers that a value of the schema has or could have; of lists, the members that `value` has. */
export const numberKeys = (schema: v.GenericSchema, value: unknown): string[] =>
  keysIn(schema as unknown as Shape, value, "");

function keysIn(shape: Shape, value: unknown, at: string): string[] {
  const below = (key: string | number): string => (at === "" ? String(key) : `${at}.${key}`);
  const { type, entries, wrapped, item, options } = shape;
  if (wrapped) return keysIn(wrapped, value, at);
  if (entries)
    return Object.entries(entries).flatMap(([key, entry]) =>
      keysIn(entry, (value as Record<string, unknown> | undefined)?.[key], below(key)),
    );
  if (item) return ((value as unknown[] | undefined) ?? []).flatMap((one, i) => keysIn(item, one, below(i)));
  return type === "number" || options?.every((one) => typeof one === "number") ? [at] : [];
}

/** A copy of a value with other numbers under such keys. */
export function withNumbers<T>(value: T, numbers: Readonly<Record<string, number>>): T {
  const copy = structuredClone(value);
  for (const [key, n] of Object.entries(numbers)) {
    const path = key.split(".");
    const last = path.pop()!;
    let at = copy as Record<string, unknown>;
    for (const step of path) at = at[step] as Record<string, unknown>;
    at[last] = n;
  }
  return copy;
}
