/** Values that all processes agree on under a name, such as the connection that was found first. */
export interface PinStore {
  /** Returns the value that any process gave first. Kept until `replacePin`. */
  pin(name: string, value: string): Promise<string>;
  findPin(name: string): Promise<string | undefined>;
  replacePin(name: string, value: string): Promise<void>;
}
