/** Errors by which the system refused to send a datagram: not what it says of one that left before. */
export const refusals = new WeakSet<Error>();
