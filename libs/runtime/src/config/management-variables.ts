import { optional, readBy, variable } from './variable';
import { choice, pattern } from './variable-kinds';

/** Variables of the management API (management-api §1), of what its token guards besides, and of what publishers may send. */
export const MANAGEMENT_VARIABLES = {
  ...readBy(['publish-api', 'webhooks'], {
    adminToken: optional('HEARTH_ADMIN_TOKEN', pattern(/^[\x21-\x7e]{16,}$/, 'at least 16 characters of ASCII'), {
      meaning: 'Token of operators, never good for publishing; must not be an API key.',
      marks: ['secret', 'reload'],
    }),
  }),
  ...readBy(['publish-api'], {
    managementAuth: variable('HEARTH_MANAGEMENT_AUTH', choice('api-key', 'admin', 'off'), 'api-key', {
      meaning: 'Who may use the management API: API keys and the admin token, the token alone, or nobody (`404`).',
    }),
    unknownFields: variable('HEARTH_UNKNOWN_FIELDS', choice('warn', 'refuse'), 'warn', {
      meaning: 'Members of a message document that are not known: told (`Hearth-Warning`), or an error.',
    }),
  }),
};
