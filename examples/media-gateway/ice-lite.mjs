// ICE for one who has an address that browsers reach (RFC 8445 section 2.5): answer binding requests, and send none.

import { randomBytes } from 'node:crypto';
import { Message, classes, methods, parseMessage } from 'werift-ice';

/** For each browser anew: they tell the requests of one from those of another, and from a stranger's. */
export function makeCredentials() {
  return { ufrag: randomBytes(6).toString('hex'), pwd: randomBytes(16).toString('hex') };
}

/** Whose request it says it is: USERNAME is `ours:theirs`. Undefined for what is no binding request. */
export function ufragOf(packet) {
  const request = parseMessage(packet);
  if (request?.messageMethod !== methods.BINDING || request.messageClass !== classes.REQUEST) return undefined;
  return request.getAttributeValue('USERNAME')?.split(':')[0];
}

/** The answer to a request that was made with the password, or undefined for any other. */
export function answerCheck(packet, { pwd }, { address, port }) {
  const key = Buffer.from(pwd);
  const request = parseMessage(packet, key);
  if (request === undefined) return undefined;
  const answer = new Message(methods.BINDING, classes.RESPONSE, request.transactionId);
  answer.setAttribute('XOR-MAPPED-ADDRESS', [address, port]);
  answer.addMessageIntegrity(key).addFingerprint();
  return { bytes: answer.bytes, selected: request.attributesKeys.includes('USE-CANDIDATE') };
}
