// NestJS 11: tokens for clients, messages from the backend, and what Hearth tells it.
import { BadRequestException, Body, Controller, Headers, HttpCode, Module, Post, Req } from '@nestjs/common';
import type { RawBodyRequest } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Issuer, Publisher, verifyWebhook } from '@hearth/server-sdk';

const { HEARTH_URL, HEARTH_API_KEY, HEARTH_SIGNING_SECRET = '', HEARTH_WEBHOOK_SECRETS = '' } = process.env;
const key = Buffer.from(HEARTH_SIGNING_SECRET, 'base64');

@Controller()
class HearthController {
  constructor(
    private readonly publisher: Publisher,
    private readonly issuer: Issuer,
  ) {}

  // In earnest, `uid` is the user of your session.
  @Post('hearth/token')
  token(@Headers('x-user') uid: string): { token: string } {
    return { token: this.issuer.issueToken({ scope: 'connect', uid, channels: { room: { autoSubscribe: true } } }) };
  }

  @Post('messages')
  @HttpCode(202)
  async message(@Body() { text }: { text: string }): Promise<void> {
    await this.publisher.publishMessage({ channel: 'room', event: 'chat', data: { text }, store: 3600 });
  }

  // The signature is over the bytes as they came.
  @Post('hearth/webhook')
  @HttpCode(204)
  webhook(@Headers() headers: Record<string, string>, @Req() { rawBody }: RawBodyRequest<object>): void {
    try {
      console.log('hearth says', verifyWebhook(rawBody ?? '', headers, HEARTH_WEBHOOK_SECRETS).type);
    } catch (cause) {
      throw new BadRequestException(undefined, { cause });
    }
  }
}

@Module({
  controllers: [HearthController],
  providers: [
    { provide: Publisher, useValue: new Publisher({ httpApiUrl: HEARTH_URL, httpApiKey: HEARTH_API_KEY }) },
    {
      provide: Issuer,
      useValue: new Issuer({ issuerPrivateKey: key, issuerKeyAlgorithm: 'HS256', issuerTokenTtl: 60 }),
    },
  ],
})
class AppModule {}

void NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { rawBody: true }).then(
  async (app) => {
    await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
    console.log('listening on', new URL(await app.getUrl()).port);
  },
);
