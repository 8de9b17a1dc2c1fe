// `node -r` this, and the process has a clock that is HEARTH_TEST_CLOCK_SHIFT_MS ahead, as a machine without NTP has. At SIGUSR2
// somebody sets it: then it is HEARTH_TEST_CLOCK_SET_MS ahead.
let shiftMs = Number(process.env.HEARTH_TEST_CLOCK_SHIFT_MS);
const RealDate = Date;
global.Date = class extends RealDate {
  constructor(...parts) {
    super(...(parts.length === 0 ? [RealDate.now() + shiftMs] : parts));
  }
  static now() {
    return RealDate.now() + shiftMs;
  }
};
const { HEARTH_TEST_CLOCK_SET_MS } = process.env;
if (HEARTH_TEST_CLOCK_SET_MS !== undefined) process.on('SIGUSR2', () => (shiftMs = Number(HEARTH_TEST_CLOCK_SET_MS)));
