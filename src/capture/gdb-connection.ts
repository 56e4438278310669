/** A connection to a GDB stub on a Unix socket: a command, its answer. */
import { createConnection, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { InputError } from "../input/index.js";
import { encodePacket, PacketReader } from "./gdb-protocol.js";

/** How often it is tried whether a stub listens, in milliseconds. */
const AGAIN = 10;

export class GdbConnection {
  private readonly reader = new PacketReader();
  private readonly answers: string[] = [];
  private waiting: { resolve: (answer: string) => void; reject: (error: Error) => void } | undefined;
  private failure: Error | undefined;

  private constructor(
    private readonly socket: Socket,
    private readonly answered: () => void,
  ) {
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.take(text));
    socket.on("error", (error) => this.fail(error));
    socket.on("close", () => this.fail(new InputError("QEMU's GDB stub closed the connection")));
  }

  /** Connects as soon as the stub listens, however long that takes, and tells of each packet; rejects with the signal's reason when it is aborted. */
  static async open(path: string, signal: AbortSignal, answered = () => {}): Promise<GdbConnection> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return new GdbConnection(await connect(path), answered);
      } catch {
        await setTimeout(AGAIN, undefined, { signal }).catch(() => {});
      }
    }
  }

  private take(text: string): void {
    try {
      for (const packet of this.reader.feed(text)) {
        this.socket.write("+");
        this.answers.push(packet);
        this.answered();
      }
    } catch (error) {
      this.fail(error as Error);
    }
    this.deliver();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.deliver();
  }

  private deliver(): void {
    if (!this.waiting) return;
    const { resolve, reject } = this.waiting;
    const answer = this.answers.shift();
    if (answer === undefined && !this.failure) return;
    this.waiting = undefined;
    if (answer !== undefined) resolve(answer);
    else reject(this.failure!);
  }

  /** Sends a packet and does not wait. */
  send(data: string): void {
    this.socket.write(encodePacket(data));
  }

  /** The next packet from the stub. */
  receive(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.deliver();
    });
  }

  /** Sends a command and returns its answer. */
  ask(data: string): Promise<string> {
    this.send(data);
    return this.receive();
  }

  close(): void {
    this.socket.destroy();
  }
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}
