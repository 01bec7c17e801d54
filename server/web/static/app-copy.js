// Buttons that copy the text of a field.
import { copy } from './copy.js';

for (const button of document.querySelectorAll('[data-copy]')) {
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    button.textContent = await copy(document.getElementById(button.dataset.copy).value) ? 'Copied' : 'Not allowed';
    button.focus();
    setTimeout(() => { button.textContent = label; }, 1600);
  });
}

// Times are in UTC. Say them as the reader's clock does.
for (const time of document.querySelectorAll('time')) {
  time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, { weekday: 'long', day: 'numeric', month: 'long', hour: 'numeric', minute: '2-digit' });
}
