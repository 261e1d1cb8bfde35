/**
 * The names under which this package's classes call one another. Symbols, as a class that extends one of ours may have
 * methods of its own by any name, such as `onClose`, and must not replace by chance what the sessions live by.
 */
export const kAbandon = Symbol('abandon');
export const kAsyncResource = Symbol('asyncResource');
export const kBatchesMessages = Symbol('batchesMessages');
export const kBegin = Symbol('begin');
export const kBeginOn = Symbol('beginOn');
export const kBlockList = Symbol('blockList');
export const kBorrowsMessages = Symbol('borrowsMessages');
export const kCarry = Symbol('carry');
export const kClientAuthorities = Symbol('clientAuthorities');
export const kCloseNow = Symbol('closeNow');
export const kConnecting = Symbol('connecting');
export const kCounter = Symbol('counter');
export const kCounters = Symbol('counters');
export const kDetach = Symbol('detach');
export const kForKeyAlone = Symbol('forKeyAlone');
export const kFreeze = Symbol('freeze');
export const kGiveTicketKeys = Symbol('giveTicketKeys');
export const kHasIdentity = Symbol('hasIdentity');
export const kHelloQuestions = Symbol('helloQuestions');
export const kListenOn = Symbol('listenOn');
export const kListening = Symbol('listening');
export const kMake = Symbol('make');
export const kMakeSession = Symbol('makeSession');
export const kMayServe = Symbol('mayServe');
export const kMessageLimit = Symbol('messageLimit');
export const kNative = Symbol('native');
export const kOnClientHello = Symbol('onClientHello');
export const kOnClose = Symbol('onClose');
export const kOnConnection = Symbol('onConnection');
export const kOnDrain = Symbol('onDrain');
export const kOnFailure = Symbol('onFailure');
export const kOnKeylog = Symbol('onKeylog');
export const kOnListener = Symbol('onListener');
export const kOnMessage = Symbol('onMessage');
export const kOnMessages = Symbol('onMessages');
export const kOnNewSession = Symbol('onNewSession');
export const kOnOcspRequest = Symbol('onOcspRequest');
export const kOnRecord = Symbol('onRecord');
export const kOnSecure = Symbol('onSecure');
export const kOnStoredSession = Symbol('onStoredSession');
export const kOnTransportClosed = Symbol('onTransportClosed');
export const kOnTransportError = Symbol('onTransportError');
export const kOverUdp = Symbol('overUdp');
export const kPackets = Symbol('packets');
export const kPeer = Symbol('peer');
/** Registered, as metrics hear of sockets of another copy of this package, too. */
export const kRole = Symbol.for('dgram-dtls.role');
export const kSendAside = Symbol('sendAside');
export const kSessionOptions = Symbol('sessionOptions');
export const kSessionTimeout = Symbol('sessionTimeout');
export const kSharedResource = Symbol('sharedResource');
export const kSocket = Symbol('socket');
export const kVersions = Symbol('versions');
export const kWantsPackets = Symbol('wantsPackets');
