#!/bin/bash
# The main job on a fresh clone: installs what is missing, builds the program yolov5, builds an engine from the
# demo weights, and detects shapes in the pictures of demo/scenes. Prints the boxes; the annotated pictures go to
# build/demo.
#
#   scripts/demo.sh               the demo: shapes in demo/scenes, then lanes on demo/roads
#   scripts/demo.sh PATH...       the same detector on other pictures, and with other options of `yolov5 -d`
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/.."
root=$PWD

scripts/install_deps.sh
cmake --preset release >&2
cmake --build --preset release --target yolov5 lane -j "$(nproc)" >&2

bin=$root/build/release/bin
out=$root/build/demo
mkdir -p "$out"
"$bin/yolov5" -s demo/demo_yolov5.wts.gz "$out/yolov5.engine"
if [ $# -gt 0 ]; then
  cd "$here"
  exec "$bin/yolov5" -d "$out/yolov5.engine" "$@"
fi
rm -rf "$out/scenes" "$out/roads" "$out/labels"
"$bin/yolov5" -d "$out/yolov5.engine" demo/scenes --out "$out/scenes" --labels "$out/labels"
names=$(sed -n 's/.*"names": *"\([^"]*\)".*/\1/p' demo/demo_yolov5.wts.gz.json)
for file in "$out"/labels/*.txt; do
  echo "demo/scenes/$(basename "$file" .txt).jpg: centre and size relative to the picture, score"
  NAMES=${names//\\n/ } awk 'BEGIN { split(ENVIRON["NAMES"], name, " ") }
    { printf "  %-9s centre %.3f %.3f  size %.3f %.3f  score %.2f\n", name[$1 + 1], $2, $3, $4, $5, $6 }' "$file"
done
"$bin/lane" -s demo/demo_lane.wts.gz "$out/lane.engine"
"$bin/lane" -d "$out/lane.engine" demo/roads --out "$out/roads"
echo "Pictures with boxes: $out/scenes; with lanes: $out/roads"
