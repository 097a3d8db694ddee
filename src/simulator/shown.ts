/** The parts of a message besides its text that a customer sees. */
export interface Shown {
  readonly header?: ShownHeader;
  readonly footer?: string;
  readonly file?: ShownFile;
  readonly buttons?: readonly ShownButton[];
  readonly list?: ShownList;
  readonly cards?: readonly ShownCard[];
}

/** A text, or a file above the text. */
export interface ShownHeader {
  readonly text?: string;
  readonly file?: ShownFile;
}

export interface ShownFile {
  readonly kind: string;
  readonly name: string;
  readonly bytes?: number;
  /** Of a picture whose content is kept: its path in GET /_sandbox/pictures. */
  readonly path?: string;
}

export interface ShownButton {
  /** A tap on `reply` reaches the company as a message, one on `url` only as a webhook, others not at all. */
  readonly kind: 'reply' | 'url' | 'call' | 'other';
  readonly text: string;
  readonly url?: string;
}

export interface ShownList {
  /** The label of the button that opens the list. */
  readonly label: string;
  readonly sections: readonly {
    readonly title?: string | undefined;
    readonly rows: readonly { readonly title: string; readonly description?: string | undefined }[];
  }[];
}

export interface ShownCard {
  readonly header?: ShownHeader;
  readonly text: string;
  readonly buttons: readonly ShownButton[];
}

/** Returns the last segment of a URL's path. Returns a text that is not a URL unchanged. */
export function nameOf(address: string): string {
  const path = URL.parse(address)?.pathname ?? address;
  return decoded(path.slice(path.lastIndexOf('/') + 1) || address);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
