#include "apps/classify/program.h"

int main(int argc, char** argv) {
  return layerwise::apps::runClassifierProgram("lenet", "LeNet-5: handwritten digits.", argc, argv);
}
