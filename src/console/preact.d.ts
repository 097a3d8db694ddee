// The service serves the file of the package under this name (plugins/pages.ts).
export * from 'preact';
