import { installationNow } from '@hearth/timing';
import { HearthConfig, ReloadableSettings } from '@hearth/config';
import { AddressLimits, Audit, type AuditActor, CONFIG, sourceIpReader, targetAsSent } from '@hearth/runtime';
import { checkSignedRequest, readSignedRequest, SignatureError, SigningKeys, verifySignedRequest } from '@hearth/sigv4';
import { Inject, Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';

/** A signed request of which only the body is still to be checked. */
interface SignedHead {
  readonly accessKeyId: string;
  readonly checkBody: (body: Buffer) => void;
}

/** The signature check of both doors for AWS SDKs (publish-api §7, §10.2). */
@Injectable()
export class AwsSignatures {
  private readonly signingKeys = new SigningKeys();
  private readonly addressOf: ReturnType<typeof sourceIpReader>;

  constructor(
    private readonly reloadable: ReloadableSettings,
    private readonly addresses: AddressLimits,
    private readonly audit: Audit,
    @Inject(CONFIG) private readonly config: Pick<HearthConfig, 'awsClockSkewSeconds' | 'trustedProxies'>,
  ) {
    this.addressOf = sourceIpReader(config);
  }

  /** Whether this installation has these doors; it may change while the process runs. */
  get areTaken(): boolean {
    return this.reloadable.current.awsAccessKeys !== 'off';
  }

  /**
   * Checks everything that can be refused unread: who signed the request, when and for what.
   *
   * @param mustSign headers that must be signed if they are there
   * @returns who signed it; `checkBody` throws as this does
   * @throws SignatureError; ProtocolError `RATE_LIMITED` unread, for an address that has shown too many wrong ones
   */
  checkHead(request: IncomingMessage, service: string, mustSign: readonly string[] = []): SignedHead {
    const address = this.addressOf(request);
    const door = service === 'lambda' ? service : 'scheduler';
    const guarded = <T>(check: () => T, actor?: AuditActor): T =>
      this.addresses.guard(address, check, (error) => {
        if (!(error instanceof SignatureError)) return false;
        this.audit.refused(door, address, error.failure, actor);
        return true;
      });
    const { accessKeyId, checkBody } = guarded(() => this.check(request, service, mustSign));
    return {
      accessKeyId,
      checkBody: (body) => {
        guarded(() => checkBody(body), `aws:${accessKeyId}`);
        this.addresses.accepted(address, request);
      },
    };
  }

  private check(request: IncomingMessage, service: string, mustSign: readonly string[]): SignedHead {
    const { awsAccessKeys } = this.reloadable.current;
    const { method, rawHeaders } = request;
    const signed = readSignedRequest({ method, url: targetAsSent(request), rawHeaders });
    const secret = awsAccessKeys === 'off' ? undefined : awsAccessKeys.get(signed.accessKeyId);
    if (secret === undefined) {
      throw new SignatureError('UnrecognizedClientException', 'the access key is not known here');
    }
    const { awsClockSkewSeconds: clockSkewSeconds } = this.config;
    checkSignedRequest(signed, { service, clockSkewSeconds, mustSign }, installationNow());
    const checkBody = (body: Buffer): void => verifySignedRequest(signed, body, secret, this.signingKeys);
    return { accessKeyId: signed.accessKeyId, checkBody };
  }
}
