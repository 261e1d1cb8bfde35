// What processes.mjs starts.

const functions = await import(`./sides/${process.argv[2]}.mjs`);

process.on('message', async ({ id, name, args }) => {
  try {
    process.send({ id, value: await functions[name](...args) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on('disconnect', () => process.exit());
