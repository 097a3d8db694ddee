import { storeConformance } from './conformance.ts';
import { inFileOfThread } from './sqlite-fixture.ts';

// The usual tests do the same without a thread, and open files as the service does where a file is the subject.
storeConformance('SQLite in a thread of its own', inFileOfThread, true);
