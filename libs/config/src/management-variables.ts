import { optional, readBy, SINGLE_SERVICES, variable } from './variable';
import { choice, integer, type Kind, listOf, pattern } from './variable-kinds';

/** A hundred years. */
const MAX_KEEP_SECONDS = 3_155_760_000;

/** Variables of the management API (management-api §1), of what its token guards besides, and of what publishers may send. */
export const MANAGEMENT_VARIABLES = {
  ...readBy(['publish-api', 'webhooks'], {
    adminToken: optional('HEARTH_ADMIN_TOKEN', pattern(/^[\x21-\x7e]{16,}$/, 'at least 16 characters of ASCII'), {
      meaning: 'Token of operators, never good for publishing; must not be an API key.',
      marks: ['secret', 'reload'],
    }),
  }),
  ...readBy(SINGLE_SERVICES, {
    adminNames: variable('HEARTH_ADMIN_NAMES', hostNames(), '', {
      meaning: 'Names with a dot under which the admin port may be asked; addresses and private names always.',
    }),
  }),
  ...readBy(['publish-api', 'gateway'], {
    weakKeys: optional('HEARTH_WEAK_KEYS', choice('refuse', 'warn'), {
      defaultNote: 'refuse if NODE_ENV is production',
      meaning: 'Keys that are too short (RFC 7518; 16 characters for API keys) stop the start, or are warned of.',
    }),
  }),
  ...readBy(['publish-api'], {
    managementAuth: variable('HEARTH_MANAGEMENT_AUTH', choice('api-key', 'admin', 'off'), 'api-key', {
      meaning: 'Who may use the management API: API keys and the admin token, the token alone, or nobody (`404`).',
    }),
    unknownFields: variable('HEARTH_UNKNOWN_FIELDS', choice('warn', 'refuse'), 'warn', {
      meaning: 'Members of a message document that are not known: told (`Hearth-Warning`), or an error.',
    }),
    revocationKeepSeconds: variable('HEARTH_REVOCATION_KEEP_SECONDS', keepSeconds(), '2678400', {
      meaning: 'How long a revocation is kept by default: longer than any token lasts. `-1` = until it is taken back.',
    }),
  }),
};

/** For ever, or for a while; for no time would be none. */
function keepSeconds(): Kind<number> {
  const { schema } = integer(-1, MAX_KEEP_SECONDS);
  return {
    schema: schema.refine((seconds) => seconds !== 0),
    allowed: `-1 or a whole number from 1 to ${MAX_KEEP_SECONDS}`,
  };
}

/** Read in lower case. */
function hostNames(): Kind<readonly string[]> {
  const allowed = 'a comma-separated list of host names without ports';
  const { schema } = listOf((name) => /^[\w.-]+$/.test(name), allowed);
  return { schema: schema.transform((names) => names.map((name) => name.toLowerCase())), allowed };
}
