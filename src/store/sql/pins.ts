import type { PinStore } from '../pin-store.ts';
import { type Engine, statement } from './engine.ts';
import { required } from './row-mapping.ts';

const sql = {
  pin: statement(`
    INSERT INTO pins (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = pins.value RETURNING value`),
  findPin: statement('SELECT value FROM pins WHERE name = :name'),
  replacePin: statement(`
    INSERT INTO pins (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING value`),
};

export function createPinStore(engine: Engine): PinStore {
  return {
    async pin(name, value) {
      const [[row = {}] = []] = await engine.write([{ statement: sql.pin, values: { name, value } }]);
      return required(row, 'value');
    },
    async findPin(name) {
      const [row] = await engine.read({ statement: sql.findPin, values: { name } });
      return row && required(row, 'value');
    },
    async replacePin(name, value) {
      await engine.write([{ statement: sql.replacePin, values: { name, value } }]);
    },
  };
}
