/** What a customer sees of a message beside its text. */
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
}

export interface ShownButton {
  /** Only `reply` tells the company that it was tapped. */
  readonly kind: 'reply' | 'url' | 'call' | 'other';
  readonly text: string;
  readonly url?: string;
}

export interface ShownList {
  /** What opens it. */
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

/** The last part of the path of an address, or a text that is no address as it is. */
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
