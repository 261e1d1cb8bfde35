/** Node's permission model asks before a socket of its own is made; before one of an addon's, nobody would. */
export function checkNetPermission(address: string): void {
  const { permission } = process as { permission?: NodeJS.Process['permission'] };
  if (permission === undefined) return;
  // Releases that do not know the flag leave the network to everybody.
  if (!process.allowedNodeEnvironmentFlags.has('--allow-net') || permission.has('net')) return;
  throw Object.assign(new Error('this process may not use the network: start it with --allow-net'), {
    code: 'ERR_ACCESS_DENIED',
    permission: 'Net',
    resource: address,
  });
}
