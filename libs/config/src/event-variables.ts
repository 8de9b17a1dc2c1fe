import { BACKEND_EVENT_TYPES } from '@hearth/wire';
import { readBy, SINGLE_SERVICES, variable } from './variable';
import { choice, flag, hasScheme, integer, listOf, pattern, webhookSecrets } from './variable-kinds';

const TEN_YEARS = 3_650 * 86_400;
/** 1 TiB, for a stream on disk. */
const TEBIBYTE = 1_099_511_627_776;

/** The stream of backend events, and what sends them as webhooks (configuration §2). */
export const EVENT_VARIABLES = {
  ...readBy(SINGLE_SERVICES, {
    eventsStream: variable(
      'HEARTH_EVENTS_STREAM',
      pattern(/^[\w-]{1,255}$/, 'letters, digits, - and _, at most 255'),
      'HEARTH_EVENTS',
      { meaning: 'JetStream stream of the pub/sub events.' },
    ),
    eventsFormat: variable('HEARTH_EVENTS_FORMAT', choice('hotsock', 'cloudevents'), 'hotsock', {
      meaning: 'How pub/sub events and webhooks are written: as Hotsock does, or as CloudEvents 1.0.',
    }),
    eventsSubjectPrefix: variable(
      'HEARTH_EVENTS_SUBJECT_PREFIX',
      pattern(/^[\w-]+(\.[\w-]+)*$/, 'a NATS subject without wildcards'),
      'hearth.events.v1',
      { meaning: 'First part of the subjects of pub/sub events.' },
    ),
    eventsMaxAgeSeconds: variable('HEARTH_EVENTS_MAX_AGE_SECONDS', integer(0, TEN_YEARS), '604800', {
      meaning: 'How long the events stream keeps an event; `0` = no limit.',
    }),
    eventsMaxBytes: variable('HEARTH_EVENTS_MAX_BYTES', integer(-1, TEBIBYTE), '-1', {
      meaning: 'Size of the events stream; `-1` = no limit.',
    }),
    eventsReplicas: variable('HEARTH_EVENTS_REPLICAS', integer(1, 5), '1', {
      meaning: 'Copies of the events stream in a NATS cluster.',
    }),
  }),
  ...readBy(['webhooks'], {
    webhookUrls: variable(
      'HEARTH_WEBHOOK_URLS',
      listOf((one) => hasScheme(one, ['http', 'https']), 'a comma-separated list of http:// or https:// URLs'),
      '',
      { meaning: 'URLs that get the pub/sub events as webhooks. See `docs/webhooks.md`.', marks: ['secret'] },
    ),
    webhookSecrets: variable('HEARTH_WEBHOOK_SECRETS', webhookSecrets(), '', {
      meaning: 'What webhooks are signed with, each with every secret; several for a rotation. Needed with URLs.',
      marks: ['secret', 'reload'],
    }),
    webhookTypes: variable(
      'HEARTH_WEBHOOK_TYPES',
      listOf(
        (type) => BACKEND_EVENT_TYPES.includes(type),
        'a comma-separated list of event types such as hotsock.messagePublished',
      ),
      '',
      { meaning: 'Types of events that are sent as webhooks; unset = all.' },
    ),
    webhookAllowPrivate: variable('HEARTH_WEBHOOK_ALLOW_PRIVATE', flag(), 'false', {
      meaning: 'Send webhooks to private, loopback and link-local addresses, too.',
    }),
    webhookTimeoutMs: variable('HEARTH_WEBHOOK_TIMEOUT_MS', integer(100, 120_000), '15000', {
      meaning: 'Time for one attempt, from the look-up of the name to the answer.',
    }),
    webhookMaxAttempts: variable('HEARTH_WEBHOOK_MAX_ATTEMPTS', integer(1, 10_000), '150', {
      meaning:
        'Attempts before an event becomes a dead letter, after 1 s, 2 s, 4 s … 10 minutes; 150 take about a day.',
    }),
  }),
};
