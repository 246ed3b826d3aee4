#pragma once

#include "backends/cpu/kernels/amx_finish.h"

namespace layerwise::cpu {
namespace {

template <int I>
struct Number {
  static constexpr int value = I;
};
// body(Number<0>()), body(Number<1>()), ...: tile registers are named at compile time.
template <int N, int I = 0, class Body>
LW_INLINE void repeat(const Body& body) {
  if constexpr (I < N) {
    body(Number<I>());
    repeat<N, I + 1>(body);
  }
}

// What is read when all blocks of a group are done, spread over all of their steps.
struct AmxLater {
  const std::byte *next = nullptr, *end = nullptr;
  int64_t lines = 0;  // a step
};

// How far ahead of the products weights are asked for that are read for the first time.
constexpr int64_t kStreamAhead = 16 * 1024;

struct AmxBlock {
  const char* a[kAccumulators];  // the first row of each tile of positions
  int64_t aStride;
  const int64_t* offsets;
  int64_t steps;
  const char* b;  // the first block of weights
  int64_t bStep, bBlock;
  const AmxMagnitudes* magnitudes;  // of companded weights
  char* expanded;                   // memory for them
  bool streamed;  // weights: the first-level cache does not hold them until they are read again
  const AmxConstants* constants;
  bool startsAtZero;
  char* accumulators;
  bool fresh;  // the weights have not been read yet
  AmxLater* later;
  AmxJob* pending;  // the block before, or null
  AmxFinish finish;
  int64_t rowsPerStep;
};

// M tiles of positions by N blocks of output channels. Tiles 0 to 3 are accumulators, 4 and 5 left,
// 6 and 7 right matrices.
template <class Tiles, Element element, bool companded, int M, int N>
void multiplyBlock(Tiles& tiles, const AmxBlock& block) {
  using V = typename Tiles::Vector;
  static_assert(M * N <= kAccumulators && (M <= 2 || N == 1) && (N <= 2 || M == 1));
  repeat<M * N>([&](auto i) __attribute__((always_inline)) {
    if (block.startsAtZero) {
      tiles.template zero<i.value>();
    } else {  // stride 0: all rows begin with the same values
      tiles.template load<i.value>(block.constants[i.value % N].start, 0);
    }
  });
  const char* b = block.b;
  const int64_t aStride = block.aStride, bBlock = block.bBlock;
  // Where the expanded weights of a step are, behind each other those of all blocks.
  const auto expandedAt = [&](int64_t step) __attribute__((always_inline)) {
    return block.expanded + step % kExpandedSteps * (kAccumulators * kAccumulatorBytes);
  };
  const auto expand = [&](int64_t step) __attribute__((always_inline)) {
    char* to = expandedAt(step);
    for (int n = 0; n < N; ++n) {
      const char* const codes = block.b + n * bBlock + step * block.bStep;
      for (int64_t i = 0; i < kAccumulatorBytes; i += 128) {
        V::expandCodes(codes + i / 2, block.magnitudes->low, block.magnitudes->high,
                       to + n * kAccumulatorBytes + i);
      }
    }
  };
  if constexpr (companded) {
    for (int64_t step = 0; step < smaller(kExpandAhead, block.steps); ++step) expand(step);
  }
  AmxLater later = *block.later;
  int64_t left = block.pending ? block.pending->end - block.pending->position : 0;
  for (int64_t step = 0; step < block.steps; ++step, b += block.bStep) {
    const int64_t offset = block.offsets[step];
    const auto loadA = [&](auto m) __attribute__((always_inline)) {
      tiles.template load<4 + m.value % 2>(block.a[m.value] + offset, aStride);
    };
    if (companded && step + kExpandAhead < block.steps) expand(step + kExpandAhead);
    const auto loadB = [&](auto n) __attribute__((always_inline)) {
      const char* const weights = b + n.value * bBlock;
      if constexpr (companded) {
        tiles.template load<6 + n.value % 2>(expandedAt(step) + n.value * kAccumulatorBytes,
                                             kTileRowBytes);
      } else if (block.streamed) {
        tiles.template loadStreamed<6 + n.value % 2>(weights, kTileRowBytes);
      } else {
        tiles.template load<6 + n.value % 2>(weights, kTileRowBytes);
      }
    };
    const auto dot = [&](auto m, auto n) __attribute__((always_inline)) {
      constexpr int kC = m.value * N + n.value, kA = 4 + m.value % 2, kB = 6 + n.value % 2;
      if constexpr (element == Element::kUInt8) {
        tiles.template dotBytes<kC, kA, kB>();
      } else {
        tiles.template dotBFloat16<kC, kA, kB>();
      }
    };
    // Each tile right before the first product that reads it: the products begin early.
    repeat<M>([&](auto m) __attribute__((always_inline)) {
      if constexpr (m.value == 0) loadB(Number<0>());
      loadA(m);
      repeat<N>([&](auto n) __attribute__((always_inline)) {
        if constexpr (m.value == 0 && n.value > 0) loadB(n);
        dot(m, n);
      });
    });
    if (block.fresh) {
      const char* const ahead = b + kStreamAhead;
      for (int n = 0; n < N; ++n) {
        for (int64_t i = 0; i < block.bStep; i += 64) V::prefetchFar(ahead + n * bBlock + i);
      }
    }
    if (later.next < later.end) {
      for (int64_t i = 0; i < later.lines; ++i) V::prefetchFar(later.next + 64 * i);
      later.next += 64 * later.lines;
    }
    if (left > 0) {
      finishRows(*block.pending, block.finish, block.rowsPerStep);
      left -= block.rowsPerStep;
    } else {
      tiles.stayAwake();
    }
  }
  block.later->next = later.next;
  repeat<M * N>([&](auto i) __attribute__((always_inline)) {
    tiles.template store<i.value>(block.accumulators + i.value * kAccumulatorBytes, kTileRowBytes);
  });
}

template <class Tiles, Element element, bool companded>
LW_INLINE void multiply(Tiles& tiles, int64_t m, int64_t n, const AmxBlock& block) {
  switch (m * 4 + n) {
    case 4 + 1:
      return multiplyBlock<Tiles, element, companded, 1, 1>(tiles, block);
    case 4 + 2:
      return multiplyBlock<Tiles, element, companded, 1, 2>(tiles, block);
    case 4 + 3:
      return multiplyBlock<Tiles, element, companded, 1, 3>(tiles, block);
    case 4 + 4:
      return multiplyBlock<Tiles, element, companded, 1, 4>(tiles, block);
    case 8 + 1:
      return multiplyBlock<Tiles, element, companded, 2, 1>(tiles, block);
    case 8 + 2:
      return multiplyBlock<Tiles, element, companded, 2, 2>(tiles, block);
    case 12 + 1:
      return multiplyBlock<Tiles, element, companded, 3, 1>(tiles, block);
    default:
      return multiplyBlock<Tiles, element, companded, 4, 1>(tiles, block);
  }
}

}  // namespace
}  // namespace layerwise::cpu
