// A detector in thirty lines: detect WEIGHTS.wts PICTURE prints the boxes and writes detect.jpg.
#include <cstdio>

#include "layerwise/layerwise.h"

using namespace layerwise;

int main(int argc, char** argv) try {
  if (argc != 3) throw Error(ErrorCode::kInvalidArgument, "[detect] usage: WEIGHTS.wts PICTURE");
  const WeightMap weights = WeightMap::load(argv[1]);
  const auto engine = buildEngine(NetworkRegistry::instance().define("yolov5", weights));
  const auto context = engine->createContext();

  Image image = readImage(argv[2]);
  const Dims input = engine->inputs()[0].dims;  // 1 x 3 x height x width
  const Letterbox plan =
      planLetterbox(image.width, image.height,
                    {.width = static_cast<int>(input[3]), .height = static_cast<int>(input[2])});
  std::vector<float> planes(input.volume());
  letterbox(image.view(), plan, planes.data());

  std::int32_t count = 0;
  const Dims dims = context->outputDims("detections");  // 1 x capacity x values
  std::vector<float> rows(dims.volume());
  context->setInput("images", planes.data(), input);
  context->setOutput("count", &count);
  context->setOutput("detections", rows.data());
  context->run();

  for (const float* row = rows.data(); count-- > 0; row += dims[2]) {
    const Box box = boxToImage(plan, Box{row[0], row[1], row[2], row[3]});
    std::printf("%d %.2f  %.0f %.0f %.0f %.0f\n", int(row[5]), row[4], box.x1, box.y1, box.x2,
                box.y2);
    drawBox(image.view(), box, classColor(int(row[5])));
  }
  writeImage("detect.jpg", image.view());
} catch (const Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
