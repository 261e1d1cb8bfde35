// The other side of both examples: clients from as many ports, so that the system spreads them, and
// one that comes back from another port with the session of its first visit.

import { once } from 'node:events';

import { connect } from 'dgram-dtls';

async function visit(port, ca, session) {
  const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca, session });
  let kept;
  socket.on('session', (given) => {
    kept = given;
  });
  await once(socket, 'secureConnect');
  const resumed = socket.isSessionReused();
  socket.send('who are you?');
  const [answer] = await once(socket, 'message');
  socket.close();
  await once(socket, 'close');
  return { name: answer.toString(), resumed, session: kept ?? session };
}

/** Prints what the clients saw. */
export async function tryOut(port, ca) {
  const clients = Array.from({ length: 24 }, () => visit(port, ca));
  const names = new Set((await Promise.all(clients)).map(({ name }) => name));
  console.log(`24 clients were served by ${[...names].sort().join(' and ')}`);

  // Whichever server it meets this time: all of them can open its ticket.
  let { session } = await visit(port, ca);
  let resumed = 0;
  for (let i = 0; i < 8; ++i) {
    const again = await visit(port, ca, session);
    ({ session } = again);
    if (again.resumed) resumed += 1;
  }
  console.log(`a client that came back 8 times, from another port each time, was resumed ${resumed} times`);
}
