// Asks for the URLs that are refused, and shows what the server says.

for (const place of document.querySelectorAll('[data-tried]')) {
  try {
    const answer = await fetch(place.dataset.tried, { cache: 'no-store' })
    const text = answer.ok ? 'the image' : (await answer.json()).error
    const code = document.createElement('code')
    code.textContent = answer.ok ? String(answer.status) : `${answer.status} ${text.code}`
    place.append(code, ' ', answer.ok ? text : text.message)
  } catch {
    place.textContent = 'The server could not be asked.'
  }
}
