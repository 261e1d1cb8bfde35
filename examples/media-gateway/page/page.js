// Joins the gateway: sends its picture, shows everybody else's, and reports what it sees over a data channel.

import { picture } from './picture.js';
import { show } from './table.js';

const REPORT_MS = 500;

const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
const echo = connection.createDataChannel('echo');
const report = connection.createDataChannel('report');
/** What the others' videos are shown in, by the section of the session description that each has. */
const figures = new Map();
let streams = { wanted: 0, shown: [] };
let roundTrip;
let echoes = 0;

connection.onconnectionstatechange = () => {
  document.getElementById('state').textContent = connection.connectionState;
};

connection.ontrack = ({ transceiver, track }) => {
  const figure = document.createElement('figure');
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true });
  video.srcObject = new MediaStream([track]);
  figure.append(video, document.createElement('figcaption'));
  figures.set(transceiver.mid, figure);
  arrange();
};

/** Shows those videos that there are. A slot whose sender has gone stays, for the next one. */
function arrange() {
  for (const [mid, figure] of figures) {
    const stream = streams.shown.find((one) => one.mid === mid);
    if (stream === undefined) {
      figure.remove();
    } else {
      figure.lastChild.textContent = stream.name;
      if (!figure.isConnected) document.getElementById('videos').append(figure);
      // An element that was taken out of the page is paused.
      figure.firstChild.play().catch((error) => console.log(error.message));
    }
  }
}

/** Offers what this page has and can take, and takes the answer. No candidates: the gateway sees where checks come from. */
async function negotiate(path) {
  await connection.setLocalDescription();
  const body = JSON.stringify({ sdp: connection.localDescription.sdp });
  const response = await fetch(path, { method: 'POST', body });
  if (!response.ok) throw new Error(await response.text());
  const answer = await response.json();
  await connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
  return answer;
}

/** As many sections as there are videos to be seen: one offer at a time. */
let negotiation = Promise.resolve();
function makeRoom(path) {
  negotiation = negotiation.then(async () => {
    const receivers = connection.getTransceivers().filter(({ direction }) => direction === 'recvonly').length;
    if (receivers >= streams.wanted) return;
    for (let i = receivers; i < streams.wanted; i++) connection.addTransceiver('video', { direction: 'recvonly' });
    await negotiate(path);
  });
  return negotiation;
}

echo.onopen = () => echo.send(String(performance.now()));
echo.onmessage = ({ data }) => {
  echoes++;
  roundTrip = performance.now() - Number(data);
  setTimeout(() => echo.readyState === 'open' && echo.send(String(performance.now())), REPORT_MS);
};

/** Of each video that is shown here, by the name of who sends it. */
async function framesDecoded() {
  const decoded = {};
  const stats = await connection.getStats();
  stats.forEach(({ type, mid, framesDecoded = 0 }) => {
    const stream = type === 'inbound-rtp' && streams.shown.find((one) => one.mid === mid);
    if (stream) decoded[stream.name] = framesDecoded;
  });
  return decoded;
}

report.onopen = () => {
  setInterval(async () => {
    const facts = { decoded: await framesDecoded(), echoes, echo: Math.round(roundTrip * 10) / 10, browser: navigator.userAgent };
    if (report.readyState === 'open') report.send(JSON.stringify(facts));
  }, REPORT_MS);
};

const stream = await picture();
document.querySelector('video').srcObject = stream;
for (const track of stream.getVideoTracks()) {
  connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
}
const { id, name } = await negotiate('/viewers');
document.getElementById('name').textContent = `${name} (you)`;

const events = new EventSource(`/viewers/${id}/events`);
events.onmessage = ({ data }) => {
  const update = JSON.parse(data);
  streams = update.streams;
  show(update);
  arrange();
  makeRoom(`/viewers/${id}`).catch((error) => {
    document.getElementById('state').textContent = error.message;
  });
};
// The gateway has ended it, or has gone: a page that is loaded anew joins anew.
events.onerror = () => events.close();
addEventListener('pagehide', () => connection.close());
