/** The GDB remote serial protocol's packets: "$data#checksum", with escapes and run lengths (GDB manual, appendix E). */

/** A packet with its checksum, ready to be sent. The data are ASCII without "$", "#", "}" and "*". */
export function encodePacket(data: string): string {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum = (sum + data.charCodeAt(i)) & 0xff;
  return `$${data}#${sum.toString(16).padStart(2, "0")}`;
}

/** Cuts a stream into packets. Feed it text as it comes. */
export class PacketReader {
  private text = "";

  /** The data of the packets that are complete now; throws an Error for a wrong checksum. */
  feed(text: string): string[] {
    this.text += text;
    const packets: string[] = [];
    for (;;) {
      // Acknowledgements stand before a packet; nothing else does.
      const begin = this.text.indexOf("$");
      const end = this.text.indexOf("#", begin);
      if (begin < 0 || end < 0 || this.text.length < end + 3) return packets;
      const data = this.text.slice(begin + 1, end);
      if (encodePacket(data).slice(-2) !== this.text.slice(end + 1, end + 3).toLowerCase())
        throw new Error("a packet of the GDB protocol came with a wrong checksum");
      packets.push(decodeData(data));
      this.text = this.text.slice(end + 3);
    }
  }
}

/** Undoes escapes ("}" and the character xor 0x20) and run lengths (character, "*", count + 29). */
function decodeData(data: string): string {
  let out = "";
  for (let i = 0; i < data.length; i++) {
    const c = data[i]!;
    if (c === "}") out += String.fromCharCode(data.charCodeAt(++i) ^ 0x20);
    else if (c === "*" && i > 0) out += out.at(-1)!.repeat(data.charCodeAt(++i) - 29);
    else out += c;
  }
  return out;
}
