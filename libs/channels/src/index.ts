export * from './apply-operation';
export * from './channel-state';
export * from './outcome';
export * from './rows';
export { takeDue } from './schedules';
