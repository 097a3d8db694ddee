const { account, version, docs } = document.documentElement.dataset;

/** What the service has written into its page. */
export const facts = { sandbox: account === 'sandbox', version: version ?? '', docs: docs === 'on' };
