/** The key that the sandbox and its guides print. It is public, so no other service accepts it. */
export const sandboxKey = 'sandbox-key-of-nobody';
