import type { DynamicModule, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AddressInfo } from 'node:net';
import { createHttpApp, listen } from './http/http-app';
import { UnreadAnswers } from './http/unread-answers';
import type { ServiceDefinition } from './lifecycle';
import { NestLogger } from './log/logger';
import { ServiceModule, type ServiceContext } from './service-module';

type Modules = readonly (Type | DynamicModule)[];

/** The root of the Nest application of a process. */
class Service {}

function rootOf(context: ServiceContext, modules: Modules): DynamicModule {
  return { module: Service, imports: [ServiceModule.of(context), ...modules] };
}

/**
 * Starts a service that speaks HTTP, made of Nest modules.
 *
 * @param attach puts something else on the HTTP server before it listens
 */
export function startHttpApp(
  modules: Modules,
  attach?: (app: NestFastifyApplication) => Promise<void>,
): ServiceDefinition['start'] {
  return async (context) => {
    const { config, logger, timeUp, addresses, backlogs, limitAnswers } = context;
    const unread = new UnreadAnswers(backlogs, limitAnswers);
    const app = await createHttpApp(rootOf(context, modules), config, logger, timeUp, addresses, unread);
    try {
      await attach?.(app);
      await listen(app, config);
    } catch (error) {
      await app.close();
      throw error;
    }
    return { drain: () => app.close(), port: (app.getHttpServer().address() as AddressInfo).port };
  };
}

/** Starts a service that users do not speak to, made of Nest modules. */
export function startApp(modules: Modules): ServiceDefinition['start'] {
  return async (context) => {
    const options = { logger: new NestLogger(context.logger), abortOnError: false };
    const app = await NestFactory.createApplicationContext(rootOf(context, modules), options);
    return { drain: () => app.close() };
  };
}
