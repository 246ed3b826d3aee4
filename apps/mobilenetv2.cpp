#include "apps/classify/program.h"

int main(int argc, char** argv) {
  return layerwise::apps::runClassifierProgram("mobilenetv2", "MobileNetV2: classification.", argc,
                                               argv);
}
