import { decodeTailBeacon, encodeTailBeacons } from './tail-beacon';

it('says nothing of idle channels, and that it is there', () => {
  expect(encodeTailBeacons(3, 7, []).map(decodeTailBeacon)).toEqual([
    { fencingToken: 3, n: 7, tails: [], isLast: false },
  ]);
});

it('says what is of all channels once: where they end, and since when nobody knows what was lost', () => {
  const tails = Array.from({ length: 20_000 }, (_, n) => [`channel ${n}`, { epoch: 2, sequence: n }] as const);
  const decoded = encodeTailBeacons(3, 7, tails, {
    end: { epoch: 2, sequence: 9 },
    unsureBeforeMs: 1_700_000_000_000,
  }).map(decodeTailBeacon);
  const unsure = decoded.map(({ unsureBeforeMs }) => unsureBeforeMs);
  expect(decoded[0]?.end).toEqual({ epoch: 2, sequence: 9 });
  expect(unsure).toEqual([1_700_000_000_000, ...Array.from({ length: decoded.length - 1 }, () => undefined)]);
});

it('says behind the last of all tails that these were all, and from which beacon on', () => {
  const tails = Array.from({ length: 20_000 }, (_, n) => [`channel ${n}`, { epoch: 2, sequence: n }] as const);
  const decoded = encodeTailBeacons(3, 7, tails, { allInMs: 1_700_000_000_000 }).map(decodeTailBeacon);
  expect(decoded.at(-1)?.all).toEqual({ from: 7, lifeMs: 1_700_000_000_000 });
  expect(decoded.slice(0, -1).flatMap(({ all }) => all ?? [])).toEqual([]);
});

it('keeps every tail, in as many beacons as it takes, each of which fits into a message', () => {
  const tails = Array.from({ length: 20_000 }, (_, n) => [`canal-é"${n}`, { epoch: 2, sequence: n }] as const);
  const beacons = encodeTailBeacons(3, 7, tails, { isLast: true });
  expect(beacons.length).toBeGreaterThan(1);
  expect(Math.max(...beacons.map((beacon) => Buffer.byteLength(beacon)))).toBeLessThan(300_000);
  const decoded = beacons.map(decodeTailBeacon);
  expect(decoded.map(({ n }) => n)).toEqual(beacons.map((_, index) => 7 + index));
  expect(decoded.map(({ isLast }) => isLast)).toEqual(beacons.map((_, index) => index === beacons.length - 1));
  expect(JSON.stringify(decoded.flatMap((beacon) => beacon.tails))).toBe(JSON.stringify(tails));
});
