/** AWS's names for what can be wrong with a signed request (publish-api §10.4). */
export type SignatureFailure =
  | 'MissingAuthenticationTokenException'
  | 'IncompleteSignatureException'
  | 'UnrecognizedClientException'
  | 'InvalidSignatureException';

/** The request is not signed as it should be. The message says what to change, and repeats nothing of the request. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError';

  constructor(
    readonly failure: SignatureFailure,
    message: string,
  ) {
    super(message);
  }
}
