/** Drawing a saliency map to lie over its photo. */

import { coldColours, colours } from "./colours.js";

const LONGEST = 1024;
const BRIGHTEST = 0.99;

/**
 * Draw a map. The colours run from its zero to the 99th percentile of its values without their
 * sign; what is negative has cold ones. What lies outside the crop, which the model did not see,
 * counts as zero.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} rows
 * @param {[number, number]} size - the photo's width and height
 * @param {number[]} box - left, top, right, bottom of what the map covers, in its pixels
 */
export function drawHeat(canvas, rows, [width, height], [left, top, right, bottom]) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(scale * width));
  canvas.height = Math.max(1, Math.round(scale * height));
  const across = canvas.width / width;
  const down = canvas.height / height;
  const context = canvas.getContext("2d");
  context.fillStyle = `rgb(${colours()[0].join(" ")})`;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(
    painted(rows),
    left * across, top * down, (right - left) * across, (bottom - top) * down,
  );
}

/** Draw the colours from zero to the brightest; of a `signed` map from the brightest cold one. */
export function drawScale(canvas, { signed }) {
  const row = Array.from({ length: canvas.width }, (_, step) => step / (canvas.width - 1));
  const values = signed ? row.map((value) => 2 * value - 1) : row;
  canvas.getContext("2d").putImageData(pixels([values], 1), 0, 0);
}

/** The number below which a share of the sorted values lies, between two where it must. */
export function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)];
  return below + (place % 1) * (sorted[Math.ceil(place)] - below);
}

function painted(rows) {
  const sorted = Float64Array.from(rows.flat(), Math.abs).sort();
  const brightest = quantile(sorted, BRIGHTEST) || sorted.at(-1) || 1;
  const canvas = document.createElement("canvas");
  canvas.width = rows[0].length;
  canvas.height = rows.length;
  canvas.getContext("2d").putImageData(pixels(rows, brightest), 0, 0);
  return canvas;
}

function pixels(rows, brightest) {
  const [warm, cold] = [colours(), coldColours()];
  const image = new ImageData(rows[0].length, rows.length);
  rows.flat().forEach((value, i) => {
    const step = Math.round(255 * Math.min(1, Math.abs(value) / brightest));
    image.data.set([...(value < 0 ? cold : warm)[step], 255], 4 * i);
  });
  return image;
}
