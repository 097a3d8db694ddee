import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';
import { aCaller, type Caller } from './sends.ts';
import { aPlace, type Place } from './service.ts';

export interface Scene {
  simulator: Simulator;
  place: Place;
  caller: Caller;
  close(): Promise<void>;
}

/** Starts a simulated WATI, a place for the service's files, and a caller that keeps its answers. */
export async function startScene(options: SimulatorOptions): Promise<Scene> {
  const simulator = await startSimulator(options);
  const place = aPlace(simulator);
  const caller = aCaller(simulator);
  return {
    simulator,
    place,
    caller,
    close: async () => {
      await caller.close();
      await place.close();
      await simulator.close();
    },
  };
}
