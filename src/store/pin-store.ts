/** Values that all processes agree on, by name, such as the first connection that was used. */
export interface PinStore {
  /** Returns the value that any process set first. It is kept until `replacePin`. */
  pin(name: string, value: string): Promise<string>;
  findPin(name: string): Promise<string | undefined>;
  replacePin(name: string, value: string): Promise<void>;
}
