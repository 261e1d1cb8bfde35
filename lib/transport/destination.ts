import { late } from '../base/late';

/** "Any address" as a destination means this host: the kernel sends to the loopback, and answers come from there. */
export function destinationOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return /^[0:.]+$/.test(address) && late.net.isIPv6(address) ? '::1' : address;
}
