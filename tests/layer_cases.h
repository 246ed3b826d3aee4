#pragma once

#include "layer_cases/copies.h"
#include "layer_cases/plugins.h"
#include "layer_cases/pointwise.h"
#include "layer_cases/pooled.h"
#include "layer_cases/quantized.h"
#include "layer_cases/sums.h"
#include "layer_cases/windows.h"

/// The table of cases: what each layer is tried with.
namespace layerwise::test {

inline const std::vector<LayerFamily>& layerFamilies() {
  static const std::vector<LayerFamily> families = {
      {"activation", activationCase, 51},
      {"batch_norm", batchNormCase},
      {"cast", castCase, 48},
      {"concatenation", concatenationCase, 40},
      {"constant", constantCase},
      {"convolution", convolutionCase, 60},
      {"convolution_activation", convolutionActivationCase, 51},
      {"convolution_add", convolutionAddCase, 40},
      {"convolution_picture", pictureCase, 30},
      {"convolution_picture_pooling", pooledPictureCase, 40},
      {"convolution_pooling", convolutionPoolingCase, 51},
      {"convolution_winograd", winogradCase, 30},
      {"deconvolution", deconvolutionCase, 40},
      {"dequantize", dequantizeCase, 40},
      {"elementwise", elementwiseCase, 90},
      {"fully_connected", fullyConnectedCase},
      {"fully_connected_activation", fullyConnectedActivationCase, 51},
      {"fully_connected_large", largeFullyConnectedCase, 3},
      {"gather", gatherCase, 45},
      {"identity", identityCase},
      {"lrn", lrnCase},
      {"lstm", lstmCase},
      {"matrix_multiply", matrixMultiplyCase, 40},
      {"normalization", normalizationCase, 40},
      {"padding", paddingCase, 45},
      {"parametric_relu", parametricReluCase},
      {"pixel_shuffle", pixelShuffleCase},
      {"plugin", pluginCase},
      {"pooling", poolingCase, 60},
      {"quantize", quantizeCase, 40},
      {"quantized_convolution", quantizedConvolutionCase, 102},
      {"quantized_convolution_pooling", quantizedConvolutionPoolingCase, 51},
      {"quantized_matrix", quantizedMatrixCase, 34},
      {"quantized_picture", quantizedPictureCase, 34},
      {"reduce", reduceCase, 50},
      {"resize", resizeCase, 60},
      {"scale", scaleCase, 36},
      {"select", selectCase},
      {"shape", shapeCase},
      {"shuffle", shuffleCase, 60},
      {"slice", sliceCase, 60},
      {"softmax", softmaxCase},
      {"topk", topKCase, 40},
      {"unary", unaryCase, 75},
      {"yolov5_decode", yolov5DecodeCase},
      {"yolov5_detect", yolov5DetectCase},
      {"yolov8_detect", yolov8DetectCase},
  };
  return families;
}

}  // namespace layerwise::test
