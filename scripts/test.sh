#!/bin/bash
# Installs what is missing, builds everything with warnings as errors, and runs all tests. The last lines are ctest's
# own: the result and the time. Exit status 0: every test passed.
#
#   scripts/test.sh [--preset ci|release|debug|asan|tsan] [--device cpu|opencl] [-- CTEST_ARGUMENT...]
#
# --device opencl: only the tests that run on the first OpenCL device. The others are all tests, with those on OpenCL
# among them where there is a device.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "test.sh: $1" >&2
  exit 2
}

preset=ci
device=cpu
while [ $# -gt 0 ]; do
  case $1 in
    --preset) preset=${2:-}; shift 2 || fail "[--preset] needs a name" ;;
    --device) device=${2:-}; shift 2 || fail "[--device] needs a name" ;;
    --) shift; break ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0"; exit 0 ;;
    *) fail "[$1] there is no such option; there are --preset, --device and --" ;;
  esac
done
case $preset in
  ci | release | debug | asan | tsan) ;;
  *) fail "[--preset $preset] there is no such preset; there are ci, release, debug, asan, tsan" ;;
esac
case $device in
  cpu) ;;
  opencl) set -- -L opencl "$@" ;;
  *) fail "[--device $device] there is no such device; there are cpu and opencl" ;;
esac

scripts/install_deps.sh --tests
cores=$(nproc)
cmake --preset "$preset" -DLAYERWISE_BUILD_TESTS=ON -DLAYERWISE_BUILD_APPS=ON
cmake --build --preset "$preset" -j "$cores"
# Whatever the caller's environment forces or configures must not decide what is tested.
unset LAYERWISE_CPU
ctest --preset "$preset" -j "$cores" "$@"
