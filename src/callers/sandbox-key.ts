/** Printed by the sandbox and in its guides, so that everybody has it: no other service takes it. */
export const sandboxKey = 'sandbox-key-of-nobody';
