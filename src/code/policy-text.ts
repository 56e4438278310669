/** A lifted way as a policy's file. */
import type { LiftedWay } from "./lift.js";

/** What a policy is called and where it comes from. */
interface Naming {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly base: string;
}

/** The section of the file that has the code; removals say when they are due. */
type Section = { readonly name: string; readonly due?: string };

const quoted = (text: string): string => JSON.stringify(text);

/** The text: the code of one occasion, all others as in the base. */
export function policyText(way: LiftedWay, { name, title, source, base }: Naming, section: Section): string {
  const width = Math.max(...way.lines.map(({ depth, text }) => 2 * depth + text.length), 0);
  const code = way.lines.map(({ depth, text, at }) => {
    const line = `  ${"  ".repeat(depth)}${text}`;
    return at.length === 0 ? line : `${line.padEnd(width + 3)} // ${at.join(", ")}`;
  });
  return [
    `name = ${quoted(name)}`,
    `title = ${quoted(title)}`,
    `source = ${quoted(source)}`,
    `base = ${quoted(base)}`,
    "",
    `[${section.name}]`,
    ...(section.due === undefined ? [] : [`due = ${quoted(section.due)}`]),
    'code = """',
    ...code,
    '"""',
    "",
  ].join("\n");
}
