// What this page sends: the camera, or where there is none (or may not be used) a canvas that moves.

const SIZE = { width: 320, height: 240 };
const FRAMES_PER_SECOND = 30;

export async function picture() {
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { ...SIZE, frameRate: FRAMES_PER_SECOND } });
  } catch (error) {
    console.log(`no camera (${error.message}): a canvas`);
    return canvasThatMoves();
  }
}

function canvasThatMoves() {
  const canvas = Object.assign(document.createElement('canvas'), SIZE);
  const context = canvas.getContext('2d');
  const hue = Math.random() * 360;
  let frame = 0;
  setInterval(() => {
    frame++;
    context.fillStyle = `hsl(${hue} 60% 30%)`;
    context.fillRect(0, 0, SIZE.width, SIZE.height);
    context.fillStyle = `hsl(${hue + 180} 70% 70%)`;
    const place = (speed, span) => Math.abs(((frame * speed) % (2 * span)) - span);
    context.fillRect(place(4, SIZE.width - 40), place(3, SIZE.height - 40), 40, 40);
    context.font = '20px monospace';
    context.fillText(new Date().toISOString().slice(11, 23), 12, SIZE.height - 12);
  }, 1000 / FRAMES_PER_SECOND);
  return canvas.captureStream(FRAMES_PER_SECOND);
}
