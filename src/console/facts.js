const { account, version, docs } = document.documentElement.dataset;

/** Facts that the service has written into the page. */
export const facts = { sandbox: account === 'sandbox', version: version ?? '', docs: docs === 'on' };
