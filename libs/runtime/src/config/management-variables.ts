import { optional, readBy } from './variable';
import { pattern } from './variable-kinds';

/** Variables of the management API (management-api §1) and of what its token guards besides. */
export const MANAGEMENT_VARIABLES = {
  ...readBy(['publish-api', 'webhooks'], {
    adminToken: optional('HEARTH_ADMIN_TOKEN', pattern(/^[\x21-\x7e]{16,}$/, 'at least 16 characters of ASCII'), {
      meaning: 'Token of operators, never good for publishing; must not be an API key.',
      marks: ['secret', 'reload'],
    }),
  }),
};
