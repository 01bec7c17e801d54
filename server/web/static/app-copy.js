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
