/** What options of Node's other sockets, servers, streams and emitters are that have no place here, and what there is for them. */

const PIPES = 'It is a matter of pipes, which UDP has not: leave it out.';
const STREAMS = 'It is a matter of streams, and messages are none: leave it out; toWeb() of a socket makes streams of its messages.';
const HIGH_WATER =
  "It is a matter of streams: send() says by false that 'drain' is to be waited for, and toWeb() takes 'readableHighWaterMark' and 'writableHighWaterMark'.";
const TEXT = 'A message is a Buffer: its text is message.toString(), and send() takes strings.';
const TCP = 'It is a matter of TCP: leave it out.';
const KEEP_ALIVE = "It is a matter of TCP: the option 'heartbeat' has an 'interval'.";
const HAPPY_EYEBALLS =
  "UDP gives no answer by which one of several addresses could be chosen: the first of the lookup is taken; 'family' or 'lookup' choose another.";
const LOOKUP = "It is an option of dns.lookup: pass a function as 'lookup' that calls it with that.";
const ENGINES = "OpenSSL 3 and tls are doing away with engines: pass 'cert' and 'key', or 'pfx'.";
const ROLES = 'connect() makes clients, and createServer() the sockets of its clients: leave it out.';
const HANDLES = "A bound dgram.Socket goes to 'transport', and a descriptor to 'fd' of listen().";

// Made for the first mistake, as it takes some of the time in which this package is loaded.
let byName: ReadonlyMap<string, string> | undefined;

/** What to do about an option that has no place here; undefined for one that is not known at all. */
export const insteadOf = (name: string): string | undefined => (byName ??= all()).get(name);

/** In the words of docs/tls-parity.md, where that has them. */
const all = (): ReadonlyMap<string, string> => new Map([
  ['captureRejections', "It holds for the whole process: set 'captureRejections' of node:events to true before servers and clients are made."],
  ['path', "There are no Unix datagram sockets in Node: leave it out, and use 'port' and an address."],
  ['secureProtocol', "It is deprecated in tls: use 'minVersion' and 'maxVersion'."],
  ['enableTrace', "The events 'handshake', 'alert' and 'keylog' tell more, and the option 'qlogDir' writes them to a file."],
  ['minDHSize', "OpenSSL's security level bounds it: '@SECLEVEL=…' in 'ciphers'."],
  ['onread', "Messages come by the event 'message'; with 'borrowMessages' they have no memory of their own."],
  ['pauseOnConnect', "A session cannot be paused, as its peer cannot be asked to wait: leave it out."],
  ['allowHalfOpen', 'A session ends for both sides at once: leave it out.'],
  ['typeOfService', 'UDP sockets of Node have no such option: leave it out.'],
  ...each(PIPES, 'readableAll', 'writableAll'),
  ...each(HANDLES, 'handle', '_handle'),
  ...each(STREAMS, 'readable', 'writable', 'objectMode', 'readableObjectMode', 'writableObjectMode', 'writableCorked', 'emitClose', 'autoDestroy'),
  ...each(STREAMS, 'read', 'write', 'writev', 'final', 'destroy', 'construct', 'transform', 'flush'),
  ...each(HIGH_WATER, 'highWaterMark', 'readableHighWaterMark', 'writableHighWaterMark'),
  ...each(TEXT, 'encoding', 'defaultEncoding', 'decodeStrings'),
  ...each(TCP, 'noDelay'),
  ...each(KEEP_ALIVE, 'keepAliveInitialDelay'),
  ...each(HAPPY_EYEBALLS, 'autoSelectFamily', 'autoSelectFamilyAttemptTimeout'),
  ...each(LOOKUP, 'hints', 'all', 'order', 'verbatim'),
  ...each(ENGINES, 'clientCertEngine', 'privateKeyEngine', 'privateKeyIdentifier'),
  ...each(ROLES, 'isServer', 'server'),
]);

function each(hint: string, ...names: string[]): [name: string, hint: string][] {
  return names.map((name) => [name, hint]);
}
