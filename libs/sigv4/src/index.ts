export * from './canonical-request';
