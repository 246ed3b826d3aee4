#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "layerwise/calibrator.h"
#include "layerwise/data_type.h"
#include "layerwise/engine.h"
#include "layerwise/export.h"
#include "layerwise/logger.h"
#include "layerwise/network.h"
#include "layerwise/timing_cache.h"

namespace layerwise {

/// A range of shapes by input name; inputs with static shapes need none.
struct OptimizationProfile {
  std::map<std::string, ShapeRange> inputs;
};

/// How an engine is built.
struct BuilderConfig {
  std::string device = "cpu";  ///< "cpu", or an OpenClDevice's name such as "opencl:0"
  int threads = 0;             ///< tactics are chosen for this many workers; 0: one a core
  /// 0: the cost model chooses, nothing is measured, the same engine every time. 1 to 5: more and
  /// more candidates are timed.
  int optimizationLevel = 3;
  /// What float32 tensors may be kept and multiplied in: kFloat32, kBFloat16, or, on devices that
  /// have it, kFloat16. Sums stay float32; a layer's own Layer::setPrecision() wins; where a device
  /// has no kernel of the type for a layer, the layer runs in float32.
  DataType precision = DataType::kFloat32;
  /// Whether 3x3 convolutions may be computed by Winograd's algorithm (Lavin & Gray, "Fast
  /// Algorithms for Convolutional Neural Networks"), which rounds differently: some 1e-5 of the
  /// output's range a layer. On NVIDIA devices also whether products of float32 may be sums of
  /// three in TF32 (docs/opencl.md).
  bool winograd = true;
  /// Whether convolutions and fully connected layers may be computed in 8-bit integers: weights
  /// symmetric, one scale an output channel; tensors between them uint8, one scale and zero point
  /// each. What they read needs a range: of Tensor::setDynamicRange(), of `calibrationTable`, or of
  /// `calibrator`, in this order; a layer without one stays in float32 (or `precision`), as does
  /// one whose Layer::setPrecision() is a floating-point type. Quantize and Dequantize layers of
  /// the network itself are merged with what is between them whether this is set or not.
  bool int8 = false;
  Calibrator* calibrator = nullptr;  ///< borrowed
  /// Borrowed. Where it holds ranges they are used, and the calibrator, if there is one, only says
  /// how weights are best rounded; where it is empty, it is given what the calibrator found.
  CalibrationTable* calibrationTable = nullptr;
  /// The error of the outputs, in percent (QuantizationReport), that 8 bits may cause on the first
  /// 16 of the calibrator's batches: the most sensitive layers are kept in floating point until it
  /// is met. 0: no budget, nothing is measured.
  double maxDrop = 0;
  QuantizationReport* quantizationReport = nullptr;  ///< borrowed; filled where maxDrop is set
  /// Whether devices that have it may multiply float32 numbers rounded to TF32: 8 bits of exponent,
  /// 10 of fraction; sums stay float32.
  bool tf32 = false;
  /// Whether layers of more than a million weights that wait for these, computed in kBFloat16, may
  /// keep them in 8 bits with scales (weight-only quantisation; docs/quantization.md).
  bool weightOnly = true;
  OptimizationProfile profile;
  TimingCache* timingCache = nullptr;  ///< borrowed; read and added to
  Logger logger;
  /// Called now and then with the fraction done and what is being done; false cancels the build
  /// (Error kCancelled).
  std::function<bool(double fraction, std::string_view phase)> progress;
};

/// Copies the network, optimises it for the device and gives the engine. The network and its
/// weights are free to go afterwards. Throws Error naming the layer at fault.
LAYERWISE_API std::shared_ptr<const Engine> buildEngine(const Network& network,
                                                        const BuilderConfig& config = {});

}  // namespace layerwise
