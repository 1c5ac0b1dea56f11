// What differs between two captions, tag by tag.

import { el, isolated } from "./dom.js";

const cut = (text) => text.split(/,\s*|\n/).filter(Boolean);

// Pieces in order: [sign, text] with "+" for new, "-" for gone, "=" for kept (longest common subsequence).
export function pieces(before, after) {
  const [a, b] = [cut(before), cut(after)];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const result = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      result.push(["=", a[i]]);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) {
      result.push(["-", a[i]]);
      i += 1;
    } else {
      result.push(["+", b[j]]);
      j += 1;
    }
  }
  return result;
}

const ELEMENTS = { "+": "ins", "-": "del", "=": "span" };

export function difference(before, after) {
  return el("p", { class: "difference" }, pieces(before, after).map(([sign, text]) => [el(ELEMENTS[sign], {}, isolated(text)), " "]).flat());
}
