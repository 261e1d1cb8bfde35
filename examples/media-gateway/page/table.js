// The counters, as the gateway sends them.

const COLUMNS = {
  viewer: ({ name }) => name,
  state: ({ state }) => state,
  version: ({ version }) => version,
  suite: ({ suite }) => suite,
  group: ({ group }) => group,
  srtp: ({ srtp }) => srtp?.replace('SRTP_', ''),
  'frames in': ({ frames }) => frames,
  'frames out': ({ forwarded }) => forwarded,
  decoded: ({ page }) => Object.values(page.decoded ?? {}).join(' + '),
  'echo, ms': ({ page }) => page.echo,
  retransmissions: ({ retransmissions }) => retransmissions,
};

export function show({ gateway, viewers }) {
  const cells = (kind, values) =>
    values.map((value) => Object.assign(document.createElement(kind), { textContent: value ?? '' }));
  const row = (kind, values) => {
    const tr = document.createElement('tr');
    tr.append(...cells(kind, values));
    return tr;
  };
  const values = (viewer) => Object.values(COLUMNS).map((column) => column(viewer));
  document
    .getElementById('viewers')
    .replaceChildren(row('th', Object.keys(COLUMNS)), ...viewers.map((viewer) => row('td', values(viewer))));
  const { sessions, packetsReceived, packetsSent, handshakesFailed, loopDelay } = gateway;
  document.getElementById('gateway').textContent =
    `the port: ${sessions} sessions, ${packetsReceived} packets in, ${packetsSent} out, ` +
    `${handshakesFailed} handshakes failed; event loop: ${loopDelay.mean} ms, at most ${loopDelay.max}`;
}
