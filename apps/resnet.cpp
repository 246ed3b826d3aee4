#include "apps/classify/program.h"

int main(int argc, char** argv) {
  return layerwise::apps::runClassifierProgram(
      "resnet", "ResNet, wide ResNet, ResNeXt and the CIFAR family: classification.", argc, argv);
}
