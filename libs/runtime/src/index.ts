export { AdminServer, type AdminAnswer, type AdminRoute, type ReadinessCheck } from './admin/admin-server';
export { Audit, type AuditActor, type AuditRecord } from './audit/audit';
export { AuditModule } from './audit/audit.module';
export { ApiKeys, bearerToken, isSecret } from './http/api-keys';
export {
  blockList,
  ConfigError,
  type Environment,
  type GeneratedKeys,
  type HearthConfig,
  isCidr,
  LiveSettings,
  type LiveValues,
  loadConfig,
  originMatcher,
  type Outputs,
  outputsOf,
  required,
  type ServiceName,
  SINGLE_SERVICES,
  type Variable,
  VARIABLES,
  VERSION,
  withInstallationKeys,
} from '@hearth/config';
export { ConsoleRoutes } from './http/console-routes';
export { DocumentRoutes } from './http/document-routes';
export { ClockWatch } from './clock-watch';
export { eventPublisher, reportDroppedEvents } from './event-publisher.provider';
export { createHttpApp, listen, rawBody } from './http/http-app';
export { targetAsSent } from './http/upgradable-request';
export { hostProblem } from './http/host-header';
export { readBody } from './http/http-body';
export type { Sender } from './http/plain-posts';
export { JSON_TYPE, type Reply } from './http/plain-reply';
export { sendError } from './http/http-errors';
export { InvariantBroken } from './invariants';
export { runService, type RunningService, type ServiceDefinition } from './lifecycle';
export { createLogger, NestLogger, setLogLevel, type Logger, type LogLevel } from './log/logger';
export { Count, Labelled, Level, Metrics } from './admin/metrics';
export { AddressLimits } from './limits/address-limits';
export { LimitAnswers, type LimitAnswer } from './limits/limit-answers';
export { ProtocolExceptionFilter } from './http/protocol-exception-filter';
export { redactUrl } from './log/redaction';
export { warnSeldom } from './log/warn-seldom';
export { watchSecrets, type SecretsWatch } from './reloadable';
export { CONFIG, INTERRUPTED, LOGGER, ServiceModule, TIME_UP, type ServiceContext } from './service-module';
export { startApp, startHttpApp } from './start-app';
export { requireMigrated, requirePartitions, requireSchema, StoreModule } from './store.module';
export { StreamModule } from './stream.module';
export { originReader, sourceIpReader, type ClientOrigin } from './http/client-origin';
export { Span, traced, Tracing } from './log/tracing';
