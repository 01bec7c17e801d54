// Shows a folder of a source in #browse. The playground and the page of a mark have one.

let browsing = new AbortController();

// browse fetches the folder at a URL of the playground and puts it into #browse. It returns
// 'shown', 'failed', or 'overtaken' when another folder was asked for meanwhile.
export async function browse(url) {
  browsing.abort();
  const { signal } = browsing = new AbortController();
  const part = new URL(url, location.href);
  part.searchParams.set('part', 'browse');
  const present = () => document.querySelector('#browse');
  present().setAttribute('aria-busy', 'true');
  let folder;
  try {
    const answer = await fetch(part, { signal, redirect: 'error' });
    folder = answer.ok && new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#browse');
  } catch (err) {
    if (err.name === 'AbortError') return 'overtaken';
  }
  if (!folder) {
    present().setAttribute('aria-busy', 'false');
    return 'failed';
  }
  const focused = present().contains(document.activeElement);
  present().replaceWith(document.adoptNode(folder));
  if (focused) folder.focus({ preventScroll: true });
  return 'shown';
}

export const cannotBrowse = 'The folder can’t be shown. Open the page again.';
