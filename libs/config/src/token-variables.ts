import { SIGNING_METHODS } from '@hearth/claims';
import { optional, readBy, variable } from './variable';
import { choice, flag, integer, text } from './variable-kinds';

const METHODS = choice(...SIGNING_METHODS);

/** What a gateway checks tokens with (configuration §2). */
export const TOKEN_VARIABLES = readBy(['gateway'], {
  signingKey1Method: variable('HEARTH_SIGNING_KEY_1_METHOD', METHODS, 'HS256', {
    meaning: 'Algorithm of the first signing key of connect and subscribe tokens.',
    marks: ['reload'],
  }),
  signingKey1Id: optional('HEARTH_SIGNING_KEY_1_ID', text(), {
    meaning: 'Expected `kid` of the first key; unset accepts any.',
    marks: ['reload'],
  }),
  signingKey1Encoded: optional('HEARTH_SIGNING_KEY_1_ENCODED', text('a Base64 secret or a PEM public key'), {
    defaultNote: 'generated',
    meaning:
      'First signing key: secret in Base64 for HS methods, else PEM, also in Base64. No key at all: no token is valid.',
    marks: ['secret', 'reload'],
  }),
  signingKey2Method: variable('HEARTH_SIGNING_KEY_2_METHOD', METHODS, 'HS256', {
    meaning: 'Algorithm of the second signing key (for rotation).',
    marks: ['reload'],
  }),
  signingKey2Id: optional('HEARTH_SIGNING_KEY_2_ID', text(), {
    meaning: 'Expected `kid` of the second key; unset accepts any.',
    marks: ['reload'],
  }),
  signingKey2Encoded: optional('HEARTH_SIGNING_KEY_2_ENCODED', text('a Base64 secret or a PEM public key'), {
    meaning: 'Second signing key.',
    marks: ['secret', 'reload'],
  }),
  tokenAudience: optional('HEARTH_TOKEN_AUDIENCE', text(), {
    meaning: 'Required `aud` of tokens; unset = not checked.',
    marks: ['reload'],
  }),
  tokenIssuer: optional('HEARTH_TOKEN_ISSUER', text(), {
    meaning: 'Required `iss` of tokens; unset = not checked.',
    marks: ['reload'],
  }),
  tokenLeewaySeconds: variable('HEARTH_TOKEN_LEEWAY_SECONDS', integer(0, 3_600), '0', {
    meaning: 'Tolerance for `exp` and `nbf`.',
  }),
  closeAtExp: variable('HEARTH_CLOSE_AT_EXP', flag(), 'false', {
    meaning: 'Whether a connection ends with its token, unless its claim `closeAtExp` says.',
  }),
  requireKid: variable('HEARTH_REQUIRE_KID', flag(), 'false', {
    meaning: 'Refuse tokens without `kid` when the signing key has an ID.',
  }),
});
