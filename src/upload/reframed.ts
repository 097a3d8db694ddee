import type { Transform } from 'node:stream';
import type { FileKind } from './media-types.ts';

export interface ReframeOptions {
  /** The only form field that the caller may send. */
  field: string;
  /** The name of the field that WATI expects: `file` or `whatsapp_numbers_csv`. */
  upstreamField: string;
  /** The limit for all kinds of files, in bytes; the limit of its kind applies as well. */
  bytesMax: number;
  kinds: 'media' | 'csv';
  /** Names a file whose own name cannot be used: `file-<id>.<ext>`. */
  fileId: string;
  /** Called with all bytes of the file before they are sent; both methods throw to refuse the file. */
  check?: { write(chunk: Buffer): void; end(): unknown };
  /** Called when the head of the request is accepted, before the first byte of its body is read. */
  onRead?: () => void;
  /** Called with the number of bytes of the caller's body as they arrive. */
  onBytes?: (count: number) => void;
}

export interface FileHead {
  fileName: string;
  mimeType: string;
  kind: FileKind;
  /** Length of the outgoing body, if the caller declares the length of its own. It is exact, or the body stays incomplete. */
  contentLength?: number;
}

export interface FileDigest {
  bytes: number;
  /** SHA-256 of the file alone, hex. */
  sha256: string;
}

export interface Reframed {
  /** An upload: reads the caller's form and produces WATI's body. */
  stream: Transform;
  /** Content-Type of the outgoing body. */
  contentType: string;
  /** Resolves with the detected file before any byte is sent; rejects with the stream's error. */
  head: Promise<FileHead>;
  /** Settles with the final boundary; rejects with the stream's error. */
  done: Promise<FileDigest>;
}
