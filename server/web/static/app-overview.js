// Makes each plot one stop of the tab key: arrow keys then move from day to day. Without this
// script, each day is a stop. Enter opens the page about a day, where there is one.
for (const plot of document.querySelectorAll(".days")) {
  const days = [...plot.children];
  const move = (from, to) => {
    from.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
  };
  days.slice(0, -1).forEach((day) => day.setAttribute("tabindex", "-1"));
  plot.addEventListener("keydown", (event) => {
    const at = days.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: days.length - 1 }[event.key];
    if (at < 0 || to === undefined || !days[to]) return;
    event.preventDefault();
    move(days[at], days[to]);
    days[to].focus();
  });
}
