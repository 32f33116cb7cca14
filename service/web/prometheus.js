/** Prometheus' text format, as far as the dashboard needs it. */

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { n: "\n", '"': '"', "\\": "\\" };

/**
 * Read a scrape.
 *
 * @param {string} text
 * @returns {{name: string, labels: Object<string, string>, value: number}[]}
 */
export function parse(text) {
  return text.split("\n").flatMap((line) => {
    const [whole, name, labels, value] = SAMPLE.exec(line) ?? [];
    return whole === undefined ? [] : [{ name, labels: pairs(labels ?? ""), value: number(value) }];
  });
}

/** The samples of a metric whose labels have these values. */
export function select(samples, name, wanted = {}) {
  return samples.filter(
    (each) =>
      each.name === name &&
      Object.entries(wanted).every(([label, value]) => each.labels[label] === value),
  );
}

/** The sum of samples by the value of one of their labels. */
export function sumBy(samples, label) {
  const sums = new Map();
  for (const { labels, value } of samples) {
    sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
  }
  return sums;
}

function pairs(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(LABEL)) {
    found[name] = value.replaceAll(/\\(.)/g, (_, letter) => ESCAPES[letter] ?? letter);
  }
  return found;
}

function number(text) {
  if (text === "+Inf") return Infinity;
  return text === "-Inf" ? -Infinity : Number(text);
}
