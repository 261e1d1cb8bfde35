/** node-coap over createSocket, and what is asked of both ends. */
import * as coap from 'coap';
import type { Agent, IncomingMessage, ObserveReadStream, OutgoingMessage, Server } from 'coap';
import type { SecureDgramSocket, SocketDtlsOptions } from '../../lib/index';
import { within } from '../helpers/pair';
import { bound, secure } from '../dgram/support';

/** RFC 7925 section 4.2, RFC 7252 section 9.1.3.1. From 3.2 on OpenSSL puts CCM-8 below its security level 1. */
export const CCM8 = 'PSK-AES128-CCM8:@SECLEVEL=0';
export const SECRET = 'secret-of-device';

export const BIG = Array.from({ length: 600 }, (_, line) => `line ${String(line)}\n`).join('');

/** Its resources: /hello, /big (block-wise), /echo (PUT, block-wise), /ticks (observed), /who. */
export function resources(server: Server, socket: SecureDgramSocket): void {
  let closed = false;
  socket.once('close', () => {
    closed = true;
  });
  server.on('request', (request: IncomingMessage, response: OutgoingMessage) => {
    switch (request.url) {
      case '/hello':
        response.end('world');
        return;
      case '/big':
        response.end(BIG);
        return;
      case '/echo':
        response.code = '2.04';
        response.end(request.payload);
        return;
      case '/who':
        response.end(JSON.stringify(request.rsinfo));
        return;
      case '/ticks': {
        if (request.headers.Observe !== 0) {
          response.end('0');
          return;
        }
        let count = 0;
        response.write(String(count));
        const timer = setInterval(() => {
          count += 1;
          if (!closed) response.write(String(count));
          if (count === 5 || closed) clearInterval(timer);
        }, 20);
        response.on('finish', () => {
          clearInterval(timer);
        });
        return;
      }
      default:
        response.code = '4.04';
        response.end();
    }
  });
}

export interface CoapsServer {
  readonly socket: SecureDgramSocket;
  readonly port: number;
}

export async function serve(dtls: SocketDtlsOptions): Promise<CoapsServer> {
  const socket = await bound(secure(dtls));
  const server = coap.createServer();
  resources(server, socket);
  server.listen(socket);
  // The socket outlives the server: closing it is ours.
  socket.once('close', () => server.close());
  return { socket, port: socket.address().port };
}

export function agentOver(socket: SecureDgramSocket): Agent {
  const agent = new coap.Agent({ socket });
  // Its retransmissions would go on, and throw: a closed dgram socket does not send.
  socket.once('close', () => agent.close());
  return agent;
}

export interface Answer {
  code: string;
  text: string;
}

export function ask(
  agent: Agent,
  port: number,
  pathname: string,
  options: { method?: 'GET' | 'PUT'; payload?: string; hostname?: string } = {},
): Promise<Answer> {
  return within(
    new Promise((resolve, reject) => {
      const { method = 'GET', payload, hostname = '127.0.0.1' } = options;
      const request = agent.request({ hostname, port, pathname, method });
      request.on('response', (response: IncomingMessage) => {
        resolve({ code: response.code, text: response.payload.toString() });
      });
      request.on('error', reject);
      request.end(payload);
    }),
    `an answer from ${pathname}`,
  );
}

/** The first `count` notifications of a resource. */
export function observe(
  agent: Agent,
  port: number,
  pathname: string,
  count: number,
): Promise<string[]> {
  return within(
    new Promise((resolve, reject) => {
      const request = agent.request({ hostname: '127.0.0.1', port, pathname, observe: true });
      const seen: string[] = [];
      request.on('response', (response: ObserveReadStream) => {
        response.on('data', (data: Buffer) => {
          if (seen.push(data.toString()) < count) return;
          response.close(false);
          resolve(seen);
        });
      });
      request.on('error', reject);
      request.end();
    }),
    `${String(count)} notifications of ${pathname}`,
  );
}
