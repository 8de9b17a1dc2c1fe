// `node -r` this, and a gateway breaks one promise: what HEARTH_TEST_MUTANT says. So it is shown that the oracle notices.
const { join } = require('node:path');

const built = (path) => require(join(__dirname, '../../dist', path));
/** Of so many messages, one is spoiled: the first of them soon, so that a short run has it. */
const ONE_OF = 10_000;
const FIRST = 500;

const mutant = process.env.HEARTH_TEST_MUTANT;
let count = 0;
let isPending = false;

/** Messages begin with their id, other frames with their event. */
const isMessage = (payload) => Buffer.from(payload.buffer, payload.byteOffset, 5).toString('latin1') === '{"id"';

/** A batch of frames as it goes to all subscribers of a channel, spoiled when it is time. */
function spoil(payloads) {
  for (const payload of payloads) if (isMessage(payload) && ++count % ONE_OF === FIRST) isPending = true;
  const last = payloads.length - 1;
  if (!isPending || !isMessage(payloads[last])) return payloads;
  if (mutant === 'swap' && (last === 0 || !isMessage(payloads[last - 1]))) return payloads;
  isPending = false;
  const [others, one] = [payloads.slice(0, last), payloads[last]];
  if (mutant === 'drop') return others;
  if (mutant === 'repeat') return [...others, one, one];
  return [...payloads.slice(0, last - 1), one, payloads[last - 1]];
}

if (mutant === 'permission') {
  built('libs/claims/src/grants.js').Grants.prototype.canSubscribe = () => true;
} else {
  const { FrameBatch } = built('apps/gateway/src/frames/frame-batch.js');
  const { get } = Object.getOwnPropertyDescriptor(FrameBatch.prototype, 'webSocket');
  Object.defineProperty(FrameBatch.prototype, 'webSocket', {
    get() {
      if (!this.isSpoiled) this.payloads = spoil(this.payloads);
      this.isSpoiled = true;
      return get.call(this);
    },
  });
}
