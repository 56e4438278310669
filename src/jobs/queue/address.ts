/** Where a queue is: what a user says of it, and what the environment adds. Nothing here connects. */
import { InputError } from "../../input/index.js";
import { io } from "../io.js";

/** A queue's place, as its client takes it. */
export interface QueueAddress {
  /** for people; never with a password */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** number of the database */
  readonly db: number;
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** milliseconds for which it may be gone before work ends */
  readonly patience: number;
}

/** Milliseconds for which a queue may be gone, unless the environment says otherwise: a server starts again in that. */
const PATIENCE = 60_000;

/** What a user typed, checked: `redis://HOST[:PORT][/DATABASE]` or `rediss://`. Throws an InputError; what it says holds no password. */
export function parseQueue(text: string): string {
  const expected = "expected redis://HOST:PORT, or rediss://HOST:PORT for TLS";
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InputError(`--queue: no address of a queue, ${expected}`);
  }
  if (url.password !== "")
    throw new InputError("--queue: a password there is seen by everybody, expected it in SHOOTDOWN_QUEUE_PASSWORD");
  if (!["redis:", "rediss:"].includes(url.protocol) || url.hostname === "" || !/^(\/\d{0,3})?$/.test(url.pathname))
    throw new InputError(`--queue ${text}: ${expected}`);
  if (url.search !== "" || url.hash !== "") throw new InputError(`--queue ${text}: nothing may follow, ${expected}`);
  return text;
}

/** The address of what {@link parseQueue} has taken, with what SHOOTDOWN_QUEUE_PASSWORD and SHOOTDOWN_QUEUE_PATIENCE say. */
export function queueAddress(text: string): QueueAddress {
  const url = new URL(parseQueue(text));
  const { SHOOTDOWN_QUEUE_PASSWORD: password, SHOOTDOWN_QUEUE_PATIENCE: seconds } = io().env;
  const patience = seconds === undefined ? PATIENCE : 1000 * Number(seconds);
  if (!(patience > 0 && patience < 1e9))
    throw new InputError(`SHOOTDOWN_QUEUE_PATIENCE=${seconds}: expected seconds, a number above 0`);
  return {
    url: text,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 6379),
    db: Number(url.pathname.slice(1) || 0),
    tls: url.protocol === "rediss:",
    ...(url.username !== "" && { username: decodeURIComponent(url.username) }),
    ...(password && { password }),
    patience,
  };
}
