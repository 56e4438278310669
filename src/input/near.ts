/** Names like one that there is not. */

/** Names offered at most. */
const MOST = 3;

/** "; did you mean a, b?" with the names that differ from a wrong one in two letters, in a third of longer ones, or hold it; "" where none does. */
export function didYouMean(wrong: string, names: readonly string[]): string {
  const most = Math.max(2, Math.floor(wrong.length / 3));
  const near = names
    .map((name) => ({ name, distance: distanceOf(wrong, name) }))
    .filter(({ distance }) => distance <= most)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, MOST);
  return near.length === 0 ? "" : `; did you mean ${near.map(({ name }) => name).join(", ")}?`;
}

/** Of a name of several words, that of the nearest of them too. */
function distanceOf(wrong: string, name: string): number {
  if (wrong.length > 2 && name.includes(wrong)) return 1;
  return Math.min(...[name, ...name.split(" ")].map((part) => editDistance(wrong, part)));
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
