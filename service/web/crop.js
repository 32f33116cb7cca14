/** Which part of a photo the model sees. */

/**
 * Left, top, right, bottom of the model's crop in the photo's pixels: the shorter side is
 * resized to `resize`, then `crop` (height, width) is cut from the centre.
 *
 * @param {[number, number]} size - the photo's width and height
 * @param {{resize: number, crop: [number, number]}} preprocessing - of the bundle's manifest
 */
export function cropBox([width, height], { resize, crop: [cropHeight, cropWidth] }) {
  const short = Math.min(width, height);
  const newWidth = Math.floor((resize * width) / short);
  const newHeight = Math.floor((resize * height) / short);
  const left = roundHalfToEven((newWidth - cropWidth) / 2);
  const top = roundHalfToEven((newHeight - cropHeight) / 2);
  const across = width / newWidth;
  const down = height / newHeight;
  return [left * across, top * down, (left + cropWidth) * across, (top + cropHeight) * down];
}

/** As Python rounds, which makes the crop that the model sees. */
function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
