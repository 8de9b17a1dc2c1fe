import { randomUUID } from 'node:crypto';
import type { Claims } from './token-claims';
import { checkOptionNames, Config, isObject, neededOption, optionOf, type ConfigOptions } from './sdk-config';
import { ArgumentError } from './sdk-errors';
import { createSigner } from './signer';

/**
 * Issues tokens with one configuration (server-sdk §4). Keep one for the lifetime of the process: the key is parsed at the
 * first token, and only then.
 */
export class Issuer {
  private readonly config: Config;
  private prepared?: ReturnType<typeof prepare>;

  /** @param config read at the first token; later changes have no effect */
  constructor(config: Config | ConfigOptions) {
    this.config = config instanceof Config ? config : new Config(config);
  }

  /**
   * Signs a JWT.
   *
   * @param claims win over the configured defaults; members that are `undefined` are left out. Their meaning is not
   *   checked, so that any JWT can be issued
   * @returns the compact form, `header.payload.signature`
   * @throws ConfigurationError naming the option that is missing or unsuitable
   * @throws ArgumentError naming a claim that JSON cannot carry
   */
  issueToken(claims: Claims = {}): string {
    if (!isObject(claims)) throw new ArgumentError('claims must be an object');
    this.prepared ??= prepare(this.config);
    const { header, defaults, signer } = this.prepared;
    const given = Object.entries(claims).filter(([, value]) => value !== undefined);
    const payload = { ...defaults(Math.floor(Date.now() / 1000)), ...Object.fromEntries(given) };
    const input = `${header}${base64Url(toJson(payload))}`;
    return `${input}.${signer(input).toString('base64url')}`;
  }
}

function prepare(config: Config) {
  checkOptionNames(config);
  const algorithm = neededOption(config, 'issuerKeyAlgorithm', 'to issue tokens');
  const key = neededOption(config, 'issuerPrivateKey', 'to issue tokens');
  const kid = optionOf(config, 'issuerKeyId');
  return {
    /** Encoded, its dot included: the same for every token. */
    header: `${base64Url(JSON.stringify({ typ: 'JWT', kid, alg: algorithm }))}.`,
    defaults: defaultClaims(config),
    signer: createSigner(algorithm, key),
  };
}

function defaultClaims(config: Config): (nowSeconds: number) => Claims {
  const aud = optionOf(config, 'issuerAudClaim');
  const iss = optionOf(config, 'issuerIssClaim');
  const withIat = optionOf(config, 'issuerIatClaim');
  const withJti = optionOf(config, 'issuerJtiClaim');
  const ttl = Math.floor(optionOf(config, 'issuerTokenTtl') ?? 0);
  // A member that is `undefined` is left out of the JSON.
  return (now) => ({
    aud,
    iat: withIat ? now : undefined,
    iss,
    jti: withJti ? randomUUID() : undefined,
    exp: ttl > 0 ? now + ttl : undefined,
  });
}

/** JSON that holds everything it was given: `JSON.stringify` turns NaN into `null` and drops functions without a word. */
function toJson(claims: Claims): string {
  try {
    return JSON.stringify(claims, (name, value: unknown) => {
      if (typeof value === 'number' && !Number.isFinite(value)) throw new ArgumentError(`claim ${name} is ${value}`);
      if (/^(bigint|function|symbol)$/.test(typeof value))
        throw new ArgumentError(`claim ${name} is a ${typeof value}`);
      return value;
    });
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause;
    throw new ArgumentError('claims cannot be written as JSON', { cause });
  }
}

function base64Url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
