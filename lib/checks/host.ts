/** What is no host's name, and often stands where one should: said when the lookup has failed. */

const PORT_APART = "Leave the port out of the host: it is an argument, or option, of its own.";

/** What to do about a host that has more in it than a host; undefined where it has not. */
export function hostMistake(host: string): string | undefined {
  const [, scheme, behind = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^/]*)/i.exec(host) ?? [];
  if (scheme !== undefined) {
    const meant = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(behind);
    const name = meant?.[1] ?? meant?.[2] ?? '';
    return `It is a URL, and only the host in it is one: ${name === '' ? 'leave the scheme out' : `'${name}', without '${scheme}'`}; the port stands apart.`;
  }
  const [, bracketed, port] = /^\[([^\]]*)\](:\d+)?$/.exec(host) ?? [];
  if (bracketed !== undefined) {
    return `Brackets belong to URLs: write '${bracketed}' without them${port === undefined ? '' : ', and the port apart'}.`;
  }
  if (/^[^:]+:\d+$/.test(host)) return PORT_APART;
  if (host.includes('/')) return "A host has no path: leave out what begins with '/'.";
  return undefined;
}
