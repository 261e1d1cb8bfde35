/** Tells when files change: by looking, which also sees links that are turned round, and works on network drives. */
import { unwatchFile, watchFile } from 'node:fs';

const LOOK_MS = 1000;
/** Certificate and key are written one after the other. */
const SETTLE_MS = 500;

/** Calls `changed` once after each change, or several at once; returns how to stop. */
export function watchFiles(files: readonly string[], changed: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const noticed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(changed, SETTLE_MS);
  };
  for (const file of files) watchFile(file, { interval: LOOK_MS, persistent: false }, noticed);
  return () => {
    clearTimeout(timer);
    for (const file of files) unwatchFile(file, noticed);
  };
}
