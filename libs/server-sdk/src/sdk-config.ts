import { SIGNING_METHODS, type SigningMethod } from '../../claims/src/signing-methods';
import { ConfigurationError } from './sdk-errors';

export type TransportName = 'lambda' | 'http';

/**
 * The settings of publishers and issuers (server-sdk §2). All are plain members that can be set at any time before the
 * first use. They are looked at when they are needed: publishing works without the issuer's and the other way round.
 */
export class Config {
  /** `lambda` or `http`. Not set: `lambda` with `publishFunctionArn`, else `http`. */
  transport?: TransportName;

  /** Lambda: name or ARN of the publish function. */
  publishFunctionArn?: string;
  /** Lambda: region that requests are signed for. */
  awsRegion?: string;
  /** Lambda: not set, AWS_ACCESS_KEY_ID of the environment is used, else what the AWS SDK finds. */
  awsAccessKeyId?: string;
  awsSecretAccessKey?: string;
  awsSessionToken?: string;
  /** Lambda: role to assume with the credentials above; needs the package `@aws-sdk/client-sts`. */
  awsAssumeRoleArn?: string;
  /** `hearth-sdk-<version>` when not set. */
  awsAssumeRoleSessionName?: string;
  awsAssumeRoleExternalId?: string;
  /** Lambda: Hearth's address. Not set: AWS_ENDPOINT_URL_LAMBDA or AWS_ENDPOINT_URL of the environment, else AWS itself. */
  lambdaEndpoint?: string;

  /** HTTP: Hearth's address, such as `https://hearth.example.com`. */
  httpApiUrl?: string;
  /** HTTP: where messages go, `/publish` of that address when not set. */
  publishHttpApiUrl?: string;
  /** HTTP: one of the installation's API keys; any text, sent in UTF-8. */
  httpApiKey?: string;
  /** `ServerApi`: Hearth's admin token, where API keys are not enough; never used to publish. */
  adminToken?: string;

  /** Longest duration of one attempt, its answer included. */
  timeoutMs = 5_000;
  /** Further attempts after a network failure, a timeout, 429 or 5xx. */
  maxRetries = 2;
  /** Lambda: `false` gives function errors back as results, as the Ruby library does. */
  throwOnFunctionError = true;

  /**
   * PEM text (a literal `\n` counts as a line break), or the shared secret itself for HS256, HS384 and HS512: as text, or
   * as bytes where it is no text, such as `Buffer.from(process.env.SECRET, 'base64')`.
   */
  issuerPrivateKey?: string | Uint8Array;
  issuerKeyAlgorithm: SigningMethod = 'ES256';
  /** `kid` of the tokens' header. */
  issuerKeyId?: string;
  /** Default `aud`. */
  issuerAudClaim?: string | readonly string[];
  /** `true`: the default `iat` is now. */
  issuerIatClaim = false;
  /** Default `iss`. */
  issuerIssClaim?: string;
  /** `true`: the default `jti` is a random UUID. */
  issuerJtiClaim = false;
  /** Seconds; more than 0: the default `exp` is now and so many seconds. */
  issuerTokenTtl?: number;

  /**
   * @param options members that are `undefined` keep their default
   * @throws ConfigurationError for a name that is no option, and for what is no object
   */
  constructor(options: ConfigOptions = {}) {
    setOptions(this, options);
  }
}

/** Options by name, all of them optional. */
export type ConfigOptions = { [Name in keyof Config]?: Config[Name] };

interface Check {
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isAtLeast = (least: number, value: unknown): value is number => typeof value === 'number' && value >= least;
/** No header can hold a control character, and no encoding half of a surrogate pair. */
const isKeyText = (value: unknown): boolean => isText(value) && /^[^\p{Cc}\p{Cs}]+$/u.test(value);
const isPrintable = (value: unknown): boolean => isText(value) && /^[\x20-\x7e]+$/.test(value);

const text: Check = { expected: 'a string', accepts: isText };
const flag: Check = { expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
// Sent in a header: anything else would make the request impossible, which looks like a network failure.
const headerText: Check = { expected: 'a string of printable ASCII characters', accepts: isPrintable };
const keyText: Check = { expected: 'a string without control characters', accepts: isKeyText };
const httpUrl: Check = { expected: 'an http or https URL without user name and password', accepts: isHttpUrl };
// The longest that Node's timers can wait.
const maxTimerMs = 2 ** 31 - 1;

const CHECKS: { readonly [Name in keyof Required<Config>]: Check } = {
  transport: { expected: "'lambda' or 'http'", accepts: (value) => value === 'lambda' || value === 'http' },
  publishFunctionArn: text,
  awsRegion: { expected: 'an AWS region', accepts: (value) => isText(value) && /^[a-z0-9-]+$/i.test(value) },
  awsAccessKeyId: headerText,
  awsSecretAccessKey: text,
  awsSessionToken: headerText,
  awsAssumeRoleArn: text,
  awsAssumeRoleSessionName: text,
  awsAssumeRoleExternalId: text,
  lambdaEndpoint: httpUrl,
  httpApiUrl: httpUrl,
  publishHttpApiUrl: httpUrl,
  httpApiKey: keyText,
  adminToken: keyText,
  timeoutMs: {
    expected: `a number of milliseconds from 1 to ${maxTimerMs}`,
    accepts: (value) => isAtLeast(1, value) && value <= maxTimerMs,
  },
  maxRetries: {
    expected: 'a whole number, 0 or more',
    accepts: (value) => isAtLeast(0, value) && Number.isInteger(value),
  },
  throwOnFunctionError: flag,
  issuerPrivateKey: {
    expected: 'a string or a Uint8Array',
    accepts: (value) => isText(value) || (value instanceof Uint8Array && value.length > 0),
  },
  issuerKeyAlgorithm: {
    expected: `one of ${SIGNING_METHODS.join(', ')}`,
    accepts: (value) => SIGNING_METHODS.some((known) => known === value),
  },
  issuerKeyId: text,
  issuerAudClaim: {
    expected: 'a string or an array of strings',
    accepts: (value) => isText(value) || (Array.isArray(value) && value.every(isText)),
  },
  issuerIatClaim: flag,
  issuerIssClaim: text,
  issuerJtiClaim: flag,
  issuerTokenTtl: { expected: 'a number of seconds', accepts: Number.isFinite },
};

const defaults = new Config();

/**
 * The value of an option, its default when it is not set; `null` and the empty string are the same as not set.
 *
 * @throws ConfigurationError when it cannot be used
 */
export function optionOf<Name extends keyof Config>(config: Config, name: Name): Config[Name] {
  const given = config[name];
  const value = given == null || given === '' ? defaults[name] : given;
  const { expected, accepts } = CHECKS[name];
  if (value !== undefined && !accepts(value)) throw new ConfigurationError(name, `must be ${expected}`);
  return value;
}

/**
 * The value of an option that something cannot do without.
 *
 * @param need what for, worded to follow "is needed"
 * @throws ConfigurationError when it is not set or cannot be used
 */
export function neededOption<Name extends keyof Config>(
  config: Config,
  name: Name,
  need: string,
): NonNullable<Config[Name]> {
  const value = optionOf(config, name);
  if (value == null) throw new ConfigurationError(name, `is needed ${need}`);
  return value;
}

/** @param source the option or environment variable that the value comes from */
export function checkHttpUrl(source: string, value: string): string {
  if (!isHttpUrl(value)) throw new ConfigurationError(source, `must be ${httpUrl.expected}`);
  return value;
}

/**
 * Sets the options that are not `undefined`.
 *
 * @throws ConfigurationError for a name that is no option, and for what is no object
 */
export function setOptions(config: Config, options: ConfigOptions): void {
  if (!isObject(options)) throw new ConfigurationError('options', 'must be an object');
  checkOptionNames(options);
  Object.assign(config, Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)));
}

/** @throws ConfigurationError for a name that is no option: a misspelt one would be ignored for ever */
export function checkOptionNames(options: object): void {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(CHECKS, name)) throw new ConfigurationError(name, 'is not an option');
  }
}

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isHttpUrl(value: unknown): boolean {
  if (!isText(value) || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}
