/** A gzipped file, piece by piece and without waiting: one member, as tools that read only the first want it (RFC 1952). */
import { constants, crc32, deflateRawSync } from "node:zlib";

/** Magic, deflate, no flags, no time, no extra flags, unknown system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

export class GzipPieces {
  private crc = 0;
  private size = 0;

  /** `out` takes the bytes of the file, in order. */
  constructor(private readonly out: (bytes: Uint8Array) => void) {
    out(HEADER);
  }

  write(piece: Uint8Array): void {
    this.crc = crc32(piece, this.crc);
    this.size = (this.size + piece.length) % 2 ** 32;
    // Ends at a byte, and is not the last block.
    this.out(deflateRawSync(piece, { finishFlush: constants.Z_FULL_FLUSH }));
  }

  end(): void {
    this.out(deflateRawSync(Buffer.alloc(0)));
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.crc >>> 0, 0);
    trailer.writeUInt32LE(this.size, 4);
    this.out(trailer);
  }
}
