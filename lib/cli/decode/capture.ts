/** UDP datagrams out of what people have: pcap, pcapng, or hexadecimal text. */
import { CommandLineError } from '../exit';
import { endOfFirstRecord } from './records';

export interface Datagram {
  /** Counts the packets of the capture from 1, as Wireshark does. */
  readonly frame: number;
  /** Seconds since the epoch, to the microsecond, where the capture says. */
  readonly at?: number;
  readonly from?: string;
  readonly to?: string;
  readonly data: Buffer;
}

const PCAP_MAGICS = [0xa1b2c3d4, 0xa1b23c4d];
const PCAPNG_MAGIC = 0x0a0d0d0a;

export function readCapture(input: Buffer): Datagram[] {
  if (input.length >= 24) {
    for (const little of [true, false]) {
      const magic = little ? input.readUInt32LE(0) : input.readUInt32BE(0);
      if (PCAP_MAGICS.includes(magic)) return readPcap(input, little, magic === PCAP_MAGICS[1]);
    }
    if (input.readUInt32BE(0) === PCAPNG_MAGIC) return readPcapng(input);
  }
  return readHex(input.toString('latin1'));
}

/** A datagram on each line, or separated by empty lines where they go over several; `#` is a comment. */
function readHex(text: string): Datagram[] {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*/, '').trim());
  const blocks = lines.includes('') && lines.filter(Boolean).length > 1 && looksWrapped(lines)
    ? text.split(/(?:\r?\n\s*){2,}/)
    : lines;
  return blocks
    .map((block) => block.replace(/#.*/g, '').replace(/0x|[\s:,]/gi, ''))
    .filter(Boolean)
    .map((hex, index) => {
      if (!/^([0-9a-f]{2})+$/i.test(hex)) {
        throw new CommandLineError(
          'the input is neither pcap nor pcapng nor hexadecimal',
          'Give a capture file, or datagrams in hexadecimal, one on a line.',
        );
      }
      return { frame: index + 1, data: Buffer.from(hex, 'hex') };
    });
}

/** Whether a line ends before the record on it does: the datagram then goes on below. */
function looksWrapped(lines: readonly string[]): boolean {
  return lines.some((line) => {
    const bytes = Buffer.from(line.replace(/0x|[\s:,]/gi, ''), 'hex');
    return bytes.length > 0 && bytes.length < endOfFirstRecord(bytes);
  });
}

function readPcap(input: Buffer, little: boolean, nano: boolean): Datagram[] {
  const word = (at: number): number => (little ? input.readUInt32LE(at) : input.readUInt32BE(at));
  const linkType = word(20) & 0xffff;
  const datagrams: Datagram[] = [];
  let frame = 0;
  for (let at = 24; at + 16 <= input.length; ) {
    const micros = word(at) * 1e6 + Math.floor(word(at + 4) / (nano ? 1000 : 1));
    const size = word(at + 8);
    frame += 1;
    const packet = input.subarray(at + 16, at + 16 + size);
    addPacket(datagrams, { frame, micros, linkType, packet });
    at += 16 + size;
  }
  return datagrams;
}

function readPcapng(input: Buffer): Datagram[] {
  const datagrams: Datagram[] = [];
  let little = true;
  let frame = 0;
  let interfaces: { linkType: number; clock: InterfaceClock }[] = [];
  for (let at = 0; at + 12 <= input.length; ) {
    // A section header says in which order the bytes of its section are.
    const type = input.readUInt32BE(at) === PCAPNG_MAGIC ? PCAPNG_MAGIC : little ? input.readUInt32LE(at) : input.readUInt32BE(at);
    if (type === PCAPNG_MAGIC) {
      little = input.readUInt32LE(at + 8) === 0x1a2b3c4d;
      interfaces = [];
    }
    const isLittle = little;
    const word = (offset: number): number => (isLittle ? input.readUInt32LE(offset) : input.readUInt32BE(offset));
    const size = word(at + 4);
    if (size < 12 || size % 4 !== 0 || at + size > input.length) break; // cut off, as a capture may be
    if (type === 1 && size >= 20) {
      const linkType = isLittle ? input.readUInt16LE(at + 8) : input.readUInt16BE(at + 8);
      interfaces.push({ linkType, clock: readClock(input.subarray(at + 16, at + size - 4), isLittle) });
    } else if (type === 6 && size >= 32) {
      frame += 1;
      const found = interfaces[word(at + 8)];
      const length = Math.min(word(at + 20), size - 32);
      const packet = input.subarray(at + 28, at + 28 + length);
      if (found !== undefined) {
        const micros = microsOf(word(at + 12), word(at + 16), found.clock);
        addPacket(datagrams, { frame, micros, linkType: found.linkType, packet });
      }
    } else if (type === 3 && size >= 16) {
      frame += 1;
      const [found] = interfaces;
      const packet = input.subarray(at + 12, at + 12 + Math.min(word(at + 8), size - 16));
      if (found !== undefined) addPacket(datagrams, { frame, linkType: found.linkType, packet });
    }
    at += size;
  }
  return datagrams;
}

/** How an interface counts time: options 9, if_tsresol, and 14, if_tsoffset. */
interface InterfaceClock {
  readonly ticksPerSecond: bigint;
  readonly offset: bigint;
}

function readClock(options: Buffer, little: boolean): InterfaceClock {
  let ticksPerSecond = 1_000_000n;
  let offset = 0n;
  for (let at = 0; at + 4 <= options.length; ) {
    const code = little ? options.readUInt16LE(at) : options.readUInt16BE(at);
    const size = little ? options.readUInt16LE(at + 2) : options.readUInt16BE(at + 2);
    const value = options.subarray(at + 4, at + 4 + size);
    const [first] = value;
    if (code === 0) break;
    if (code === 9 && first !== undefined) {
      ticksPerSecond = (first & 0x80) === 0 ? 10n ** BigInt(first) : 2n ** BigInt(first & 0x7f);
    } else if (code === 14 && value.length === 8) {
      offset = little ? value.readBigInt64LE() : value.readBigInt64BE();
    }
    at += 4 + Math.ceil(size / 4) * 4;
  }
  return { ticksPerSecond, offset };
}

/** Microseconds, counted in whole numbers: a count of nanoseconds does not fit a double. */
function microsOf(high: number, low: number, { ticksPerSecond, offset }: InterfaceClock): number {
  const ticks = (BigInt(high) << 32n) | BigInt(low);
  return Number((ticks * 1_000_000n) / ticksPerSecond + offset * 1_000_000n);
}

interface Packet {
  readonly frame: number;
  /** Microseconds since the Unix epoch. */
  readonly micros?: number;
  readonly linkType: number;
  readonly packet: Buffer;
}

function addPacket(datagrams: Datagram[], { frame, micros, linkType, packet }: Packet): void {
  try {
    const ip = networkLayer(linkType, packet);
    const udp = ip === undefined ? undefined : transportLayer(ip);
    if (udp !== undefined) datagrams.push({ frame, ...(micros === undefined ? {} : { at: micros / 1e6 }), ...udp });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a packet that was cut off: not ours to judge
  }
}

/** What tcpdump's link types have before the IP header. */
function networkLayer(linkType: number, packet: Buffer): Buffer | undefined {
  const isIp = (etherType: number): boolean => etherType === 0x0800 || etherType === 0x86dd;
  switch (linkType) {
    case 0: // BSD loopback
    case 108:
      return packet.subarray(4);
    case 1: {
      let at = 12;
      while ([0x8100, 0x88a8].includes(packet.readUInt16BE(at))) at += 4; // VLAN tags
      return isIp(packet.readUInt16BE(at)) ? packet.subarray(at + 2) : undefined;
    }
    case 12:
    case 101: // IP at once
    case 228:
    case 229:
      return packet;
    case 113: // Linux cooked
      return isIp(packet.readUInt16BE(14)) ? packet.subarray(16) : undefined;
    case 276: // Linux cooked, version 2
      return isIp(packet.readUInt16BE(0)) ? packet.subarray(20) : undefined;
    default:
      throw new CommandLineError(
        `the capture's link type ${String(linkType)} is not known here`,
        'Ethernet, raw IP, BSD loopback and Linux cooked captures are.',
      );
  }
}

const UDP = 17;

function transportLayer(ip: Buffer): { from: string; to: string; data: Buffer } | undefined {
  const version = ip.readUInt8(0) >> 4;
  if (version === 4) {
    const header = (ip.readUInt8(0) & 15) * 4;
    const isFragment = (ip.readUInt16BE(6) & 0x3fff) !== 0; // more fragments, or an offset
    if (ip.readUInt8(9) !== UDP || isFragment) return undefined;
    const address = (at: number): string => [...ip.subarray(at, at + 4)].join('.');
    return datagram(ip.subarray(header, ip.readUInt16BE(2)), address(12), address(16));
  }
  if (version !== 6) return undefined;
  let next = ip.readUInt8(6);
  let at = 40;
  while ([0, 43, 60].includes(next)) {
    next = ip.readUInt8(at);
    at += (ip.readUInt8(at + 1) + 1) * 8;
  }
  if (next !== UDP) return undefined;
  const address = (from: number): string => {
    const groups = Array.from({ length: 8 }, (_, group) => ip.readUInt16BE(from + 2 * group).toString(16));
    return `[${new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)}]`;
  };
  return datagram(ip.subarray(at, 40 + ip.readUInt16BE(4)), address(8), address(24));
}

function datagram(udp: Buffer, from: string, to: string): { from: string; to: string; data: Buffer } {
  return {
    from: `${from}:${String(udp.readUInt16BE(0))}`,
    to: `${to}:${String(udp.readUInt16BE(2))}`,
    data: udp.subarray(8, udp.readUInt16BE(4)),
  };
}
