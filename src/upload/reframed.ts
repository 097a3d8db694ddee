import type { Transform } from 'node:stream';
import type { FileKind } from './media-types.ts';

export interface ReframeOptions {
  /** The one form field the caller may send. */
  field: string;
  /** Its name towards WATI: `file` or `whatsapp_numbers_csv`. */
  upstreamField: string;
  /** Over all kinds; the limit of its kind holds as well. Bytes of the file. */
  bytesMax: number;
  kinds: 'media' | 'csv';
  /** Names a file whose own name cannot be passed on: `file-<id>.<ext>`. */
  fileId: string;
  /** Sees every file byte before it goes out; either method refuses the file by throwing. */
  check?: { write(chunk: Buffer): void; end(): unknown };
  /** Called when the head of the request promises well, before the first byte of its body is read. */
  onRead?: () => void;
  /** Told how many bytes of the caller's body came in, as they come. */
  onBytes?: (count: number) => void;
}

export interface FileHead {
  fileName: string;
  mimeType: string;
  kind: FileKind;
  /** Length of the outgoing body, if the caller declares its own; exact, or the body stays incomplete. */
  contentLength?: number;
}

export interface FileDigest {
  bytes: number;
  /** SHA-256 of the file alone, hex. */
  sha256: string;
}

export interface Reframed {
  /** The caller's file in, WATI's body out. */
  stream: Transform;
  /** Content-Type of the outgoing body. */
  contentType: string;
  /** Resolves with the detected file before any byte of it goes out; rejects with the stream's error. */
  head: Promise<FileHead>;
  /** Settles with the last boundary; rejects with the stream's error. */
  done: Promise<FileDigest>;
}
