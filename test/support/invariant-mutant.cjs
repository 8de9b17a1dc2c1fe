// `node -r` this, and a process breaks each invariant that HEARTH_TEST_MUTANT names, once: so it is shown that it notices.
const { join } = require('node:path');

const built = (path) => require(join(__dirname, '../../dist/apps', path));
/** By then there is something to contradict. */
const AT_CALL = 40;

/** Replaces a method; `spoil` gets the original with each call and returns whether it has spoiled that one. */
function mutate(type, method, spoil, atCall = AT_CALL) {
  const original = type.prototype[method];
  let calls = 0;
  let isDone = false;
  type.prototype[method] = function (...args) {
    if (isDone || ++calls < atCall) return original.apply(this, args);
    const call = (...changed) => original.apply(this, changed);
    // It may well throw.
    isDone = true;
    isDone = spoil(this, args, call) !== false;
    return isDone ? undefined : call(...args);
  };
}

const MUTANTS = {
  'ids-rise': () => {
    const { Sequencing } = built('sequencer/src/sequencing.js');
    mutate(Sequencing, 'nextId', (sequencing, [sequence], call) => {
      if (sequencing.lastId === '') return false;
      // Not by the time of what is read: the stream's does not count where it is too far from its publisher's.
      sequencing.mark -= 3_600_000;
      call(sequence);
    });
  },
  'position-rises': () => {
    const { SavedPosition } = built('sequencer/src/saved-position.js');
    mutate(SavedPosition, 'advance', ({ safe }, [checkpoint, reached], call) => {
      if (safe.epoch !== checkpoint.position.epoch) return false;
      call({ ...checkpoint, position: { ...checkpoint.position, sequence: safe.sequence - 1 } }, reached);
    });
  },
  'mark-rises': () => {
    const { SavedPosition } = built('sequencer/src/saved-position.js');
    mutate(
      SavedPosition,
      'advance',
      ({ current }, [checkpoint, reached], call) => call({ ...checkpoint, markMs: current.markMs - 1 }, reached),
      // Not with the one before.
      2 * AT_CALL,
    );
  },
  'order-rises': () => {
    const { Intake } = built('gateway/src/channel/intake.js');
    const twice = ({ reader }, [record], call) => {
      call(record);
      reader.take(record);
    };
    mutate(Intake, 'accept', twice, 2 * AT_CALL);
  },
  'names-earlier': () => {
    const { Channel } = built('gateway/src/channel/channel.js');
    mutate(Channel, 'take', (_channel, [record], call) => call({ ...record, previous: record.position }));
  },
  'own-slot': () => {
    const { Channel } = built('gateway/src/channel/channel.js');
    let calls = 0;
    const { remove } = Channel.prototype;
    Channel.prototype.remove = function (subscriber) {
      if (subscriber.slot >= 0 && ++calls === 5) subscriber.slot++;
      return remove.call(this, subscriber);
    };
  },
};

for (const name of (process.env.HEARTH_TEST_MUTANT ?? '').split(',')) MUTANTS[name]?.();
