import { checkSignedRequest, readSignedRequest, SigningKeys, verifySignedRequest } from '@hearth/sigv4';
import { NO_FAULTS } from '../faults';
import { Measurement, VerifyJob } from '../job';
import { payloadTemplate } from '../payload';
import { signedHead } from '../signed-head';
import { Announce, measureWindow } from '../window-clock';

/** Different requests that are verified in turn. */
const REQUESTS = 64;
const RULES = { service: 'lambda', clockSkewSeconds: 300, mustSign: ['x-amz-invocation-type'] };

/**
 * Verifies signed requests with the code of publish-api, in this process and with nothing around it: `accepted` counts
 * them, and `generatorCpu` is what they cost.
 */
export async function runVerify(job: VerifyJob, announce: Announce): Promise<Measurement> {
  const requests = Array.from({ length: REQUESTS }, (_, channel) => {
    const body = `{"channel":"bench-${channel}","event":"bench","data":${payloadTemplate(channel)}}`;
    const { path, headers } = signedHead(job.target, body);
    return { head: { method: 'POST', url: path, rawHeaders: headers }, body: Buffer.from(body) };
  });
  const keys = new SigningKeys();
  let running = true;
  let accepted = 0;

  /** One round, then whoever else wants to run: the clock of the measured window among them. */
  function verifyAll(): void {
    for (const { head, body } of requests) {
      const signed = readSignedRequest(head);
      checkSignedRequest(signed, RULES, Date.now());
      verifySignedRequest(signed, body, job.target.accessKey.secret, keys);
      accepted++;
    }
    if (running) setImmediate(verifyAll);
  }

  verifyAll();
  const window = await measureWindow(job, announce, () => ({ deliveries: 0, accepted }));
  running = false;
  return { ...window, connected: 0, faults: NO_FAULTS, complaints: [] };
}
