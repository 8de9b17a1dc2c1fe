import { loadConfig } from './config';
import { outputsOf } from './outputs';

const outputs = (env: Record<string, string>, port?: number) => outputsOf(loadConfig(env, 'hearth'), port);

describe('the outputs', () => {
  it('are derived from the listener', () => {
    expect(outputs({}, 4711)).toMatchObject({
      webSocketUrl: 'ws://localhost:4711/v1',
      httpApiUrl: 'http://localhost:4711/',
      publishHttpApiUrl: 'http://localhost:4711/publish',
      publishFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:Hearth-PublishFunction',
      webConsoleUrl: 'http://localhost:4711/console?wssUrl=ws%3A%2F%2Flocalhost%3A4711%2Fv1',
      eventsEnabled: false,
      compatVersion: '1.13.5',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
    expect(outputs({ HEARTH_HOST: '::1', HEARTH_WS_PATHS: '/socket' })).toMatchObject({
      webSocketUrl: 'ws://[::1]:8080/socket',
      httpApiUrl: 'http://[::1]:8080/',
    });
  });

  it('are the public URLs where these are given', () => {
    const env = { HEARTH_PUBLIC_WS_URL: 'wss://rt.example.com', HEARTH_PUBLIC_HTTP_URL: 'https://rt.example.com/api' };
    expect(outputs(env)).toMatchObject({
      webSocketUrl: 'wss://rt.example.com',
      httpApiUrl: 'https://rt.example.com/api/',
      publishHttpApiUrl: 'https://rt.example.com/api/publish',
    });
  });

  it('name the web console unless it is switched off', () => {
    expect(outputs({ HEARTH_CONSOLE_ENABLED: 'false' }).webConsoleUrl).toBeUndefined();
  });

  it('hold no secret', () => {
    const env = {
      HEARTH_HTTP_API_KEY_1: 'PLANTED',
      HEARTH_HTTP_API_KEYS: 'PLANTED2',
      HEARTH_NATS_TOKEN: 'PLANTED',
      HEARTH_DATABASE_URL: 'postgres://u:PLANTED@db/x',
      HEARTH_NATS_URL: 'nats://u:PLANTED@nats',
      HEARTH_AWS_ACCESS_KEYS: 'AKID:PLANTED',
      HEARTH_SIGNING_KEY_1_ENCODED: 'PLANTED/PLANTED/PLANTED/PLANTED/PLANTED/PLANTED=',
    };
    expect(JSON.stringify(outputs(env))).not.toContain('PLANTED');
  });
});
