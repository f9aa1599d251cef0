/** Two pictures of one place, and a line between them that can be moved. */

/** @type {(id: string) => any} */
const byId = (id) => document.getElementById(id);

function setSplit() {
  const { value } = byId("split");
  byId("compare").style.setProperty("--split", `${value}%`);
  byId("split").setAttribute("aria-valuetext", `${value} percent of the left picture`);
}

/** @param {PointerEvent} event */
function point(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = byId("compare").getBoundingClientRect();
  byId("split").value = Math.round((100 * (event.clientX - box.left)) / box.width);
  setSplit();
}

/** Let the slider and the pointer move the line. */
export function letSplitMove() {
  byId("split").addEventListener("input", setSplit);
  for (const kind of ["pointerdown", "pointermove"]) byId("compare").addEventListener(kind, point);
}
