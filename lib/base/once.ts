/** Calls `call` the first time that it is called itself. */
export function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    call();
  };
}
