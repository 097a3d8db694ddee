/** Printed by the sandbox and in its guides, so it is public: no other service accepts it. */
export const sandboxKey = 'sandbox-key-of-nobody';
