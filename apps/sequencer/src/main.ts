import 'reflect-metadata';
import { requirePartitions, runService, startApp, StoreModule, StreamModule } from '@hearth/runtime';
import { prepareStreams } from '@hearth/stream';
import { SequencerModule } from './sequencer.module';

const modules = [StoreModule.of(requirePartitions), StreamModule.of(prepareStreams), SequencerModule];

/** sequencer on its own: any number of them share the partitions. Speaks no HTTP to users. */
void runService({ name: 'sequencer', start: startApp(modules) });
