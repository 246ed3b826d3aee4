// Winograd's F(POINTS - 2, 3) of a 3x3 convolution with stride 1: patches of POINTS x POINTS input
// pixels, each POINTS - 2 pixels from the next, are transformed; for each of the POINTS^2 elements a
// product of matrices, patches x input channels by input channels x output channels, is summed
// elsewhere (winograd.h); its results are transformed back. Both lie as [patch][element][channel] in
// float, channels filled up to `pitch` with zeros. The points are those of
// backends/shared/winograd_matrices.h: NEAR and FAR of F(4, 3).
#include "window.cl"

#define OUTPUTS (POINTS - 2)
#define ELEMENTS (POINTS * POINTS)

typedef struct {
  Strides tensor, residual;
  int height, width;    // of the input, or of the output
  int padY, padX;
  int patchesY, patchesX;  // of an image
  int firstPatch, patches;  // what this launch transforms
  int channels, pitch;
} Winograd;
