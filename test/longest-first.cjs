const Sequencer = require('@jest/test-sequencer').default;

/** Those that take a minute or more, most of it waiting. One that is started last keeps everybody waiting. */
const LONG = /test\/(reliability|events|embedded|start|presence|webhooks|schedules)\//;

/** jest begins with what took longest the last time, and on a fresh clone it knows none: there with these. */
module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    return [true, false].flatMap((isLong) => sorted.filter(({ path }) => LONG.test(path) === isLong));
  }
};
