import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { sendError, type ErrorReply } from './http-errors';
import type { Logger } from '../log/logger';

/** The one exception filter: whatever a controller or guard throws leaves as a protocol error (publish-api §9). */
@Catch()
export class ProtocolExceptionFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    sendError(host.switchToHttp().getResponse<ErrorReply>(), exception, this.logger);
  }
}
