// Leaves for a page of the payment service. Only web addresses are followed, whatever the answer says.
export function goTo(url: string): void {
  const { protocol } = new URL(url, window.location.origin)
  if (protocol === 'https:' || protocol === 'http:') window.location.assign(url)
}
