#!/bin/bash
# Installs what building and testing need, from the packages of Debian 12 or Ubuntu 24.04: those that are missing, and
# only those. Needs root or sudo when there is something to install. docs/dependencies.md says what each is for.
#
#   scripts/install_deps.sh [--tests]
#
# --tests: also what only some tests, checks and benchmarks need: NumPy, PIL, PyTorch, torchvision, pkg-config, clang-format,
# Google Benchmark, PoCL (an OpenCL device on the CPU),
# where the distribution has them.
set -euo pipefail

required=(g++ cmake ninja-build git libeigen3-dev libfmt-dev nlohmann-json3-dev libjpeg-dev libpng-dev zlib1g-dev
  libxxhash-dev libflatbuffers-dev flatbuffers-compiler libcxxopts-dev libgtest-dev
  ocl-icd-opencl-dev opencl-clhpp-headers)
# Tests that need one of these say so and are skipped where it is missing.
optional=()
if [ "${1:-}" = --tests ]; then
  optional+=(python3 python3-numpy python3-pil python3-torch python3-torchvision pkgconf clang-format-14
    libbenchmark-dev pocl-opencl-icd)
elif [ $# -gt 0 ]; then
  echo "install_deps.sh: [$1] there is no such option; there is --tests" >&2
  exit 2
fi

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]; }
missing() {
  local package
  for package in "$@"; do installed "$package" || echo "$package"; done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install_deps.sh: no apt here, so nothing was installed; needed (by Debian's names): ${required[*]}" >&2
  exit 0
fi
mapfile -t wanted < <(missing "${required[@]}")
mapfile -t extra < <(missing ${optional[@]+"${optional[@]}"})
[ $((${#wanted[@]} + ${#extra[@]})) -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null || { command -v sudo >/dev/null && [ -t 0 ]; }; then
  root=(sudo env)
elif [ ${#wanted[@]} -gt 0 ]; then
  echo "install_deps.sh: needs root or sudo to install: ${wanted[*]}" >&2
  exit 1
else
  echo "install_deps.sh: neither root nor sudo, so these optional packages stay missing: ${extra[*]}" >&2
  exit 0
fi
apt=("${root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)

# Without a network, what is optional may stay missing.
"${apt[@]}" update >&2 || [ ${#wanted[@]} = 0 ]
if [ ${#wanted[@]} -gt 0 ]; then
  echo "install_deps.sh: installing ${wanted[*]}" >&2
  "${apt[@]}" install -y --no-install-recommends "${wanted[@]}" >&2
fi
# One by one: a distribution that lacks one may have the others.
for package in ${extra[@]+"${extra[@]}"}; do
  echo "install_deps.sh: installing $package (optional)" >&2
  "${apt[@]}" install -y --no-install-recommends "$package" >&2 ||
    echo "install_deps.sh: $package cannot be had here; the tests that need it are skipped" >&2
done
