export { keepAddress, keptAddress } from './address-file';
export { lockDataDir, openDataDir } from './data-dir';
export { loadOrCreateKeys, newAccessKey, newApiKey, type InstallationKeys } from './keys-file';
export { readPrivateJson, writePrivateFile, writePrivateJson } from './private-file';
export { processIdentity, runsWithArgument, stopProcess, stopProcessesNow, type StopStep } from './processes';
