/** `npm run bench [-- sends] [-- --quick]`: what a read costs over a proxy, or what a recorded send costs over the call itself. */
if (process.argv.includes('sends')) await import('./sends.ts');
else await import('./reads.ts');
