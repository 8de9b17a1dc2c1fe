// `node -r` this, and the process collects all garbage at SIGUSR2: what is resident then is what it keeps, and does not depend on
// when V8 last found that worth its time.
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
process.on('SIGUSR2', () => collect());
